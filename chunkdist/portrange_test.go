package chunkdist

import (
	"fmt"
	"testing"
)

func TestWithoutPort(t *testing.T) {
	t.Parallel()
	ranges := []PortRange{{10, 12}, {20, 20}}
	for port, want := range map[int]string{
		9: "[{10 12} {20 20}]", 10: "[{11 12} {20 20}]", 11: "[{10 10} {12 12} {20 20}]", 12: "[{10 11} {20 20}]", 20: "[{10 12}]",
	} {
		if got := fmt.Sprint(WithoutPort(ranges, port)); got != want {
			t.Errorf("without %d: %s, want %s", port, got, want)
		}
	}
	if fmt.Sprint(ranges) != "[{10 12} {20 20}]" {
		t.Errorf("the ranges given were changed to %v", ranges)
	}
}
