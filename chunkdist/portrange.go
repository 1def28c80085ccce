package chunkdist

// WithoutPort is ranges less one port. The ranges given are not changed.
func WithoutPort(ranges []PortRange, port int) []PortRange {
	var left []PortRange
	for _, r := range ranges {
		if port < r.Begin || port > r.End {
			left = append(left, r)
			continue
		}
		if r.Begin < port {
			left = append(left, PortRange{Begin: r.Begin, End: port - 1})
		}
		if port < r.End {
			left = append(left, PortRange{Begin: port + 1, End: r.End})
		}
	}
	return left
}
