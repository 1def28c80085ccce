package chunkdist

import "cmp"

// compareNames orders names with their numbers as numbers: 10.0.0.2 before 10.0.0.10.
func compareNames(a, b string) int {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if !digit(a[i]) || !digit(b[j]) {
			if a[i] != b[j] {
				return cmp.Compare(a[i], b[j])
			}
			i++
			j++
			continue
		}
		x, y := number(a, &i), number(b, &j)
		if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(a)-i, len(b)-j), cmp.Compare(a, b))
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// number reads the digits at s[*i:], without leading zeros, and moves *i past them.
func number(s string, i *int) string {
	for *i < len(s)-1 && s[*i] == '0' && digit(s[*i+1]) {
		*i++
	}
	start := *i
	for *i < len(s) && digit(s[*i]) {
		*i++
	}
	return s[start:*i]
}
