package denial

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// hashed returns the names that are in a chain, in canonical order.
func hashed(s *zone.Signed) (names []string) {
	for n, b := range s.Zone.Blocks() {
		for i := range b.Len() {
			if _, match := find(s, b.Key(i)); match {
				names = append(names, zone.Text(s.AppendName(nil, zone.Pos{Block: n, Name: i})))
			}
		}
	}
	return names
}

func TestBuild_WhatIsInTheChain(t *testing.T) {
	z := build(t, "example", apex+`
deep.a.b A 192.0.2.1
secure.c NS ns.example.net.
secure.c DS 1 13 2 00
lame.d NS ns.example.net.
glue.lame.d A 192.0.2.1
lame.e.f NS ns.example.net.
secure.f NS ns.example.net.
secure.f DS 1 13 2 00
dn DNAME example.net.
below.dn A 192.0.2.1
lame.g.h NS ns.example.net.
*.h TXT "wild"
lame.*.i NS ns.example.net.
`, nil)
	all := "example. b.example. a.b.example. deep.a.b.example. c.example. secure.c.example. d.example. lame.d.example. dn.example. " +
		"f.example. e.f.example. lame.e.f.example. secure.f.example. h.example. *.h.example. g.h.example. lame.g.h.example. " +
		"i.example. *.i.example. lame.*.i.example."
	tests := []struct {
		name string
		d    policy.Denial
		want string
	}{
		{"everything but occluded names", policy.Denial{NSEC3: true}, all},
		// e.f leads to nothing signed; f and c do; g.h has a wildcard beside it; *.i is one.
		{"opt-out", policy.Denial{NSEC3: true, OptOut: true}, "example. b.example. a.b.example. deep.a.b.example. c.example. secure.c.example. dn.example. " +
			"f.example. secure.f.example. h.example. *.h.example. g.h.example. i.example. *.i.example."},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := withChain(t, z, tc.d, nil, nil)
			if got := strings.Join(hashed(s), " "); got != tc.want {
				t.Errorf("got\n%s, want\n%s", got, tc.want)
			}
			if n := len(strings.Fields(tc.want)); s.NSEC3.Count != n {
				t.Errorf("the chain counts %d hashes, want %d", s.NSEC3.Count, n)
			}
		})
	}
}

// sameChain reports where two chains differ.
func sameChain(t *testing.T, what string, got, want *zone.Chain) {
	t.Helper()
	if got.Count != want.Count || got.Bits != want.Bits || got.OptOut != want.OptOut || len(got.Buckets) != len(want.Buckets) {
		t.Fatalf("%s: %d hashes in %d buckets, want %d in %d", what, got.Count, len(got.Buckets), want.Count, len(want.Buckets))
	}
	total := 0
	for n, b := range want.Buckets {
		if got.Buckets[n].Len() != b.Len() {
			t.Fatalf("%s: bucket %d has %d hashes, want %d", what, n, got.Buckets[n].Len(), b.Len())
		}
		for i := range b.Len() {
			if !bytes.Equal(got.Buckets[n].Hash(i), b.Hash(i)) || !bytes.Equal(got.Buckets[n].Bitmap(i), b.Bitmap(i)) {
				t.Fatalf("%s: hash %d of bucket %d differs", what, i, n)
			}
			total++
		}
	}
	if total != want.Count {
		t.Fatalf("%s: %d hashes in buckets, %d counted", what, total, want.Count)
	}
}

// randomName returns one of few enough names that edits meet each other.
func randomName(r *rand.Rand) string {
	name := fmt.Sprintf("n%d", r.IntN(900))
	for r.IntN(2) == 0 {
		name += fmt.Sprintf(".p%d", r.IntN(12))
	}
	if r.IntN(25) == 0 {
		name = "*" + name[strings.IndexByte(name+".", '.'):]
	}
	return name
}

func randomRecords(r *rand.Rand, name string) string {
	switch n := r.IntN(10); {
	case strings.HasPrefix(name, "*"):
		return name + " TXT w\n"
	case n == 0:
		return name + " DNAME example.net.\n"
	case n < 2:
		return name + " NS ns.example.net.\n" + name + " DS 1 13 2 00\n"
	case n < 8:
		return name + " NS ns.example.net.\n"
	}
	return name + " A 192.0.2.1\n"
}

func TestBuild_IncrementsEqualFromScratch(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 5))
		d := policy.Denial{NSEC3: true, OptOut: seed%4 > 0}
		names := map[string]string{}
		var prev *zone.Signed
		for step := range 40 {
			for range r.IntN(8) * []int{1, 1, 40}[seed%3] {
				name := randomName(r)
				names[name] = randomRecords(r, name)
			}
			all := slices.Sorted(maps.Keys(names))
			for range min(r.IntN(6)*[]int{1, 30}[step%2], len(all)) {
				delete(names, all[r.IntN(len(all))])
			}
			var old *zone.Zone
			if prev != nil {
				old = prev.Zone
			}
			z := build(t, "example", apex+strings.Join(slices.Collect(maps.Values(names)), ""), old)
			next := withChain(t, z, d, nil, prev)
			sameChain(t, fmt.Sprintf("seed %d step %d", seed, step), next.NSEC3, withChain(t, z, d, nil, nil).NSEC3)
			prev = next
		}
	}
}

func TestBuild_UnchangedBucketsAreShared(t *testing.T) {
	var b strings.Builder
	for n := range 5000 {
		fmt.Fprintf(&b, "h%d A 192.0.2.1\n", n)
	}
	z := build(t, "example", apex+b.String(), nil)
	d := policy.Denial{NSEC3: true}
	first := withChain(t, z, d, nil, nil)
	second := withChain(t, build(t, "example", apex+b.String()+"h7 AAAA 2001:db8::1\nnew A 192.0.2.1\n", z), d, nil, first)
	shared := 0
	for n, bucket := range second.NSEC3.Buckets {
		if bucket == first.NSEC3.Buckets[n] {
			shared++
		}
	}
	if want := len(first.NSEC3.Buckets) - 2; len(first.NSEC3.Buckets) < 4 || shared < want {
		t.Errorf("%d of %d buckets are shared, want %d", shared, len(first.NSEC3.Buckets), want)
	}
	third := withChain(t, second.Zone, d, []byte{1}, second)
	sameChain(t, "another salt", third.NSEC3, withChain(t, second.Zone, d, []byte{1}, nil).NSEC3)
}

// weak is a hash with collisions between names of the same first letters.
func weak(name, _ []byte, _ uint16) (h hash) {
	copy(h[:], name[:min(len(name), 4)])
	return h
}

func TestBuild_CollisionsNameBothNames(t *testing.T) {
	d := policy.Denial{NSEC3: true}
	chain := func(z *zone.Zone, prev *zone.Signed) (*zone.Signed, error) {
		b := &builder{z: z, param: d, hasher: weak}
		c, err := b.build(prev)
		return &zone.Signed{Zone: z, NSEC3: c}, err
	}
	clean := build(t, "example", apex+"abc A 192.0.2.1\nxyz A 192.0.2.1\n", nil)
	first, err := chain(clean, nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, add, one, other string }{
		{"with a name that was there", "xy5 A 192.0.2.1\nxyb A 192.0.2.1\n", "", ""},
		{"with a name that was there", "abd.xyz A 192.0.2.1\nabc.xyz A 192.0.2.1\n", "abc.example.", "abc.xyz.example."},
		{"between two new names", "new.abc A 192.0.2.1\nnew.xyz A 192.0.2.1\n", "new.abc.example.", "new.xyz.example."},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			z := build(t, "example", apex+"abc A 192.0.2.1\nxyz A 192.0.2.1\n"+tc.add, clean)
			for how, prev := range map[string]*zone.Signed{"from scratch": nil, "by increment": first} {
				_, err := chain(z, prev)
				if (err != nil) != (tc.one != "") || err != nil &&
					!(strings.Contains(err.Error(), tc.one+" and") && strings.Contains(err.Error(), "and "+tc.other)) {
					t.Errorf("%s: %v, want %s and %s", how, err, tc.one, tc.other)
				}
			}
		})
	}
}

func TestBuild_AHashThatMovesToAnotherNameIsNoCollision(t *testing.T) {
	d := policy.Denial{NSEC3: true}
	b := &builder{z: build(t, "example", apex+"abc.one A 192.0.2.1\none A 192.0.2.1\ntwo A 192.0.2.1\n", nil), param: d, hasher: weak}
	c, err := b.build(nil)
	if err != nil {
		t.Fatal(err)
	}
	first := &zone.Signed{Zone: b.z, NSEC3: c}
	b = &builder{z: build(t, "example", apex+"abc.two A 192.0.2.1\none A 192.0.2.1\ntwo A 192.0.2.1\n", b.z), param: d, hasher: weak}
	if c, err = b.build(first); err != nil {
		t.Fatal(err)
	}
	sameChain(t, "moved", c, first.NSEC3)
}

func BenchmarkBuild(b *testing.B) {
	const names = 1_000_000
	builder := zone.NewBuilder(wire(b, "example"))
	add := func(zb *zone.Builder, extra int) {
		soa := append(wire(b, "ns.example"), append(wire(b, "h.example"), make([]byte, 20)...)...)
		zb.Add(wire(b, "example"), zone.TypeSOA, 1, 3600, soa)
		zb.Add(wire(b, "example"), zone.TypeNS, 1, 3600, wire(b, "ns.example.net"))
		for n := range names + extra {
			owner := fmt.Appendf(nil, "\x08d%07d\x07example\x00", n)
			zb.Add(owner, zone.TypeNS, 1, 3600, wire(b, "ns.example.net"))
		}
	}
	add(builder, 0)
	z, _, err := builder.Build(nil)
	if err != nil {
		b.Fatal(err)
	}
	more := zone.NewBuilder(wire(b, "example"))
	add(more, 1)
	z2, _, err := more.Build(z)
	if err != nil {
		b.Fatal(err)
	}
	d := policy.Denial{NSEC3: true}
	b.Run("scratch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			withChain(b, z, d, nil, nil)
		}
	})
	prev := withChain(b, z, d, nil, nil)
	b.Run("one name more", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			withChain(b, z2, d, nil, prev)
		}
	})
}
