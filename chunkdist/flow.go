package chunkdist

// graph is a network of whole-numbered capacities.
type graph struct {
	edges []edge
	from  [][]int // by vertex: its edges
}

// edge is one direction of an edge; the other one is at the index with the last bit flipped.
type edge struct{ to, left, flow int }

func (g *graph) vertex() int {
	g.from = append(g.from, nil)
	return len(g.from) - 1
}

func (g *graph) edge(from, to, capacity int) {
	g.from[from] = append(g.from[from], len(g.edges))
	g.from[to] = append(g.from[to], len(g.edges)+1)
	g.edges = append(g.edges, edge{to: to, left: capacity}, edge{to: from})
}

// flow sends as much as it can from source to sink, one path after the other, each a
// shortest one.
func (g *graph) flow(source, sink int) int {
	total := 0
	by := make([]int, len(g.from)) // the edge that reached a vertex, plus 1
	for {
		clear(by)
		queue := []int{source}
		for len(queue) > 0 && by[sink] == 0 {
			v := queue[0]
			queue = queue[1:]
			for _, e := range g.from[v] {
				if to := g.edges[e].to; g.edges[e].left > 0 && by[to] == 0 && to != source {
					by[to] = e + 1
					queue = append(queue, to)
				}
			}
		}
		if by[sink] == 0 {
			return total
		}
		for v := sink; v != source; {
			e := by[v] - 1
			g.edges[e].left--
			g.edges[e].flow++
			g.edges[e^1].left++
			g.edges[e^1].flow--
			v = g.edges[e^1].to
		}
		total++
	}
}

// follow takes one unit of flow from a vertex to the end where it arrives.
func (g *graph) follow(v int, ends map[int]int) int {
	for {
		if _, ok := ends[v]; ok {
			return v
		}
		for _, e := range g.from[v] {
			if g.edges[e].flow > 0 {
				g.edges[e].flow--
				v = g.edges[e].to
				break
			}
		}
	}
}
