package zone

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// delegations is a zone of that many unsigned delegations.
func delegations(b *testing.B, n int) *Zone {
	build := NewBuilder(wire(b, "example.org."))
	build.Grow(n + 2)
	addText(b, build, "example.org.", apexText)
	ns := wire(b, "ns.example.net.")
	for i := range n {
		label := fmt.Sprintf("d%07d", i*7919%n)
		owner := append([]byte{byte(len(label))}, label...)
		build.Add(append(owner, build.origin...), TypeNS, 1, 3600, ns)
	}
	z, _, err := build.Build(nil)
	if err != nil {
		b.Fatal(err)
	}
	return z
}

func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		delegations(b, 100_000)
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			z := delegations(b, n)
			r := rand.New(rand.NewPCG(1, 2))
			keys := make([][]byte, 1<<16)
			for i := range keys {
				keys[i] = fmt.Appendf(nil, "d%07d\x00www\x00", r.IntN(n))
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				z.Find(keys[i&(1<<16-1)])
				i++
			}
		})
	}
}
