package chunkdist

import "math"

// maxAmount bounds every CPU and memory figure, so that sums of thousandths stay exact in
// an int64 and in the float64 that they come from.
const maxAmount = 1e9

// milli is an amount in thousandths of a core or of a MiB. Mesos itself keeps three
// decimals; adding and comparing in integers keeps 0.1 + 0.2 at 0.3.
type milli int64

func toMilli(x float64) milli { return milli(math.Round(x * 1000)) }

func (m milli) float() float64 { return float64(m) / 1000 }

// amounts are what a node, an overhead or an agent comes to.
type amounts struct{ cpus, memory milli }

func amountsOf(r Resources) amounts {
	return amounts{toMilli(r.CPUs), toMilli(r.MemoryMB)}
}

// fits returns how many nodes fit on what an agent has once the overhead is taken; bound is
// the most that anyone asks for.
func (have amounts) fits(node, overhead amounts, bound int) int {
	return min(fits(have.cpus, node.cpus, overhead.cpus, bound), fits(have.memory, node.memory, overhead.memory, bound))
}

func fits(have, node, overhead milli, bound int) int {
	left := have - overhead
	switch {
	case left < 0:
		return 0
	case node == 0:
		return bound
	default:
		return int(min(left/node, milli(bound)))
	}
}
