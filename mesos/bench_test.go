package mesos

import (
	"fmt"
	"testing"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

func manyOffers(b *testing.B, n int) []v1.Offer {
	b.Helper()
	offers := make([]v1.Offer, n)
	for i := range offers {
		offers[i] = offer(b, fmt.Sprint("o", i), fmt.Sprint("a", i), fmt.Sprintf("10.%d.%d.%d", i/62500, i/250%250, i%250+1),
			`"resources":[`+resources(16, 32768, 31000, 31999, "")+`]`)
	}
	return offers
}

func BenchmarkHostsOf10000Offers(b *testing.B) {
	offers := manyOffers(b, 10000)
	for b.Loop() {
		if hosts, _, err := HostsOf(offers, Query{Role: "r"}); err != nil || len(hosts) != len(offers) {
			b.Fatal(len(hosts), err)
		}
	}
}

func BenchmarkLaunches1200NodesOn60Hosts(b *testing.B) {
	offers := manyOffers(b, 60)
	order := orderOf(b, offers, 600, 1)
	for b.Loop() {
		if launches, _, err := order.Launches(offers); err != nil || len(launches) != 60 {
			b.Fatal(len(launches), err)
		}
	}
}
