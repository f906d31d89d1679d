package answer

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// generator adds records to a zone without going through text.
type generator struct {
	*zone.Builder
	origin []byte
}

func newGenerator(b *testing.B) *generator {
	b.Helper()
	g := &generator{zone.NewBuilder(wire(b, "example.org.")), wire(b, "example.org.")}
	g.Add(g.origin, zone.TypeSOA, 1, 3600, append(append(wire(b, "ns1.example.org."), wire(b, "host.example.org.")...),
		0, 0, 0, 1, 0, 0, 28, 32, 0, 0, 14, 16, 0, 18, 117, 0, 0, 0, 1, 44))
	for n, ns := range []string{"ns1.example.org.", "ns2.example.org."} {
		g.Add(g.origin, zone.TypeNS, 1, 3600, wire(b, ns))
		g.Add(wire(b, ns), typeA, 1, 3600, []byte{192, 0, 2, byte(n)})
	}
	return g
}

// name returns a name of labels below the origin.
func (g *generator) name(labels ...string) []byte {
	var w []byte
	for _, l := range labels {
		w = append(append(w, byte(len(l))), l...)
	}
	return append(w, g.origin...)
}

func (g *generator) build(b *testing.B, m mode) *zone.Signed {
	b.Helper()
	z, _, err := g.Build(nil)
	if err != nil {
		b.Fatal(err)
	}
	k := newTestSigner()
	k.dummy = true
	return k.zone(z, m)
}

// zoneM is a zone of that many names with addresses, a tenth of them with TXT,
// 2% with a wildcard below, 1% CNAMEs, and one delegation for a hundred names,
// half of them with DS.
func zoneM(b *testing.B, n int, m mode) *zone.Signed {
	g := newGenerator(b)
	ds := append([]byte{0, 1, 13, 2}, make([]byte, 32)...)
	for i := range n {
		l := fmt.Sprintf("n%06d", i)
		if i%100 == 1 {
			g.Add(g.name(l), zone.TypeCNAME, 1, 3600, g.name(fmt.Sprintf("n%06d", i-1)))
			continue
		}
		g.Add(g.name(l), typeA, 1, 3600, []byte{192, 0, 2, byte(i)})
		g.Add(g.name(l), typeAAAA, 1, 3600, []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(i)})
		if i%10 == 0 {
			g.Add(g.name(l), 16, 1, 3600, []byte("\x10some text or other"[:17]))
		}
		if i%50 == 0 {
			g.Add(g.name("*", l), typeA, 1, 3600, []byte{192, 0, 2, byte(i)})
		}
	}
	for i := range n / 100 {
		g.delegation(fmt.Sprintf("d%06d", i), i%2 == 0, ds, i%10 == 0)
	}
	return g.build(b, m)
}

func (g *generator) delegation(l string, secure bool, ds []byte, glue bool) {
	for k := range 2 {
		ns := fmt.Sprintf("ns%d", k+1)
		if !glue {
			g.Add(g.name(l), zone.TypeNS, 1, 3600, append(append([]byte{3}, ns...), "\x07example\x03net\x00"...))
			continue
		}
		g.Add(g.name(l), zone.TypeNS, 1, 3600, g.name(ns, l))
		g.Add(g.name(ns, l), typeA, 1, 3600, []byte{192, 0, 2, byte(k)})
	}
	if secure {
		g.Add(g.name(l), zone.TypeDS, 1, 3600, ds)
	}
}

// zoneL is a zone of that many delegations, 5% with DS, 10% with glue.
func zoneL(b *testing.B, n int, m mode) *zone.Signed {
	g := newGenerator(b)
	g.Grow(n * 9 / 4)
	ds := append([]byte{0, 1, 13, 2}, make([]byte, 32)...)
	for i := range n {
		g.delegation(fmt.Sprintf("d%07d", i), i%20 == 0, ds, i%10 == 3)
	}
	return g.build(b, m)
}

// benchKind asks questions made by ask, spread over the zone.
func benchKind(b *testing.B, s *zone.Signed, kind string, want Kind, typ uint16, ask func(r *rand.Rand) []string) {
	b.Run(kind, func(b *testing.B) {
		g := &generator{origin: s.Origin()}
		r := rand.New(rand.NewPCG(1, 2))
		names := make([][]byte, 1<<14)
		for i := range names {
			names[i] = g.name(ask(r)...)
		}
		q := Query{RD: true, Class: 1, Type: typ, EDNS: true, DO: true, UDPSize: 1232, MaxSize: 1232, Now: testNow}
		buf := make([]byte, 0, 4096)
		octets := 0
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			q.Name = names[i&(1<<14-1)]
			msg, res := Append(buf, s, &q)
			if res.Kind != want || res.Truncated {
				b.Fatalf("%x: %+v", q.Name, res)
			}
			octets += len(msg)
			i++
		}
		b.ReportMetric(float64(octets)/float64(i), "octets")
	})
}

// BenchmarkS asks a small zone, which stays in the processor's caches, and
// BenchmarkM one of 100,000 names.
func BenchmarkS(b *testing.B) { benchNames(b, 1000) }

func BenchmarkM(b *testing.B) { benchNames(b, 100_000) }

func benchNames(b *testing.B, n int) {
	for _, m := range []mode{modes[0], modes[1], modes[3]} {
		b.Run(m.name, func(b *testing.B) {
			s := zoneM(b, n, m)
			at := func(r *rand.Rand, step, plus int) string { return fmt.Sprintf("n%06d", r.IntN(n/step)*step+plus) }
			cut := func(r *rand.Rand, step, plus int) string {
				return fmt.Sprintf("d%06d", r.IntN(n/100/step)*step+plus)
			}
			benchKind(b, s, "positive", Positive, typeA, func(r *rand.Rand) []string { return []string{at(r, 100, 3)} })
			benchKind(b, s, "cname", Positive, typeA, func(r *rand.Rand) []string { return []string{at(r, 100, 1)} })
			benchKind(b, s, "nodata", NoData, typeMX, func(r *rand.Rand) []string { return []string{at(r, 100, 3)} })
			benchKind(b, s, "nxdomain", NameError, typeA, func(r *rand.Rand) []string { return []string{at(r, 100, 3) + "x"} })
			benchKind(b, s, "nxdomain-below", NameError, typeA, func(r *rand.Rand) []string { return []string{"www", at(r, 100, 3)} })
			benchKind(b, s, "wildcard", Wildcard, typeA, func(r *rand.Rand) []string { return []string{"www", at(r, 50, 0)} })
			benchKind(b, s, "wildcard-nodata", NoData, typeMX, func(r *rand.Rand) []string { return []string{"www", at(r, 50, 0)} })
			benchKind(b, s, "referral-ds", Referral, typeA, func(r *rand.Rand) []string { return []string{"www", cut(r, 2, 0)} })
			benchKind(b, s, "referral-nods", Referral, typeA, func(r *rand.Rand) []string { return []string{"www", cut(r, 2, 1)} })
			benchKind(b, s, "referral-glue", Referral, typeA, func(r *rand.Rand) []string { return []string{"www", cut(r, 10, 0)} })
		})
	}
}

// BenchmarkL asks a zone of a million delegations.
func BenchmarkL(b *testing.B) {
	const n = 1_000_000
	for _, m := range []mode{modes[0], modes[1], modes[3]} {
		b.Run(m.name, func(b *testing.B) {
			s := zoneL(b, n, m)
			cut := func(r *rand.Rand, step, plus int) string { return fmt.Sprintf("d%07d", r.IntN(n/step)*step+plus) }
			benchKind(b, s, "referral-ds", Referral, typeA, func(r *rand.Rand) []string { return []string{"www", cut(r, 20, 0)} })
			benchKind(b, s, "referral-nods", Referral, typeA, func(r *rand.Rand) []string { return []string{"www", cut(r, 20, 1)} })
			benchKind(b, s, "referral-glue", Referral, typeA, func(r *rand.Rand) []string { return []string{"www", cut(r, 10, 3)} })
			benchKind(b, s, "nxdomain", NameError, typeA, func(r *rand.Rand) []string { return []string{cut(r, 10, 3) + "x"} })
		})
	}
}
