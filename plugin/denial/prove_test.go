package denial

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// rfcZone is the zone of RFC 4035 appendix A and, but for some names, of RFC
// 5155 appendix A.
const rfcZone = `@ SOA ns1 bugs.x.w 1 3600 300 3600000 3600
@ NS ns1
@ NS ns2
@ MX 1 xx
a NS ns1.a
a NS ns2.a
a DS 57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B
ns1.a A 192.0.2.5
ns2.a A 192.0.2.6
ai A 192.0.2.9
b NS ns1.b
b NS ns2.b
ns1.b A 192.0.2.7
ns2.b A 192.0.2.8
ns1 A 192.0.2.1
ns2 A 192.0.2.2
*.w MX 1 ai
x.w MX 1 xx
x.y.w MX 1 xx
xx A 192.0.2.10
`

// encloser returns the length of the closest encloser's key, where Find gave before for key.
func encloser(z *zone.Zone, key []byte, before zone.Pos) int {
	return zone.Common(key, z.At(before).Key(before.Name))
}

// prove returns the proof that a question for a name needs: for the absence of
// the name, or of a type at the name or at the wildcard that answers for it.
func prove(s *zone.Signed, name []byte, wildcardHasType bool) (p Proof, kind string) {
	key, _ := s.Key(nil, name)
	at, exact := s.Find(key)
	if exact {
		return NoData(s, at), "nodata"
	}
	ce := encloser(s.Zone, key, at)
	wild, exists := s.Find(zone.AppendWildcard(nil, key[:ce]))
	switch {
	case !exists:
		return NameError(s, key, at, ce), "nxdomain"
	case wildcardHasType:
		return WildcardAnswer(s, key, at, ce), "wildcard"
	}
	return WildcardNoData(s, key, at, ce, wild), "wildcard nodata"
}

// owners returns the owners of the records in a proof.
func owners(s *zone.Signed, p Proof) string {
	var list []string
	for _, at := range p.At[:p.N] {
		if s.NSEC3 == nil {
			list = append(list, zone.Text(s.AppendName(nil, at)))
		} else {
			list = append(list, text(s.NSEC3.Buckets[at.Block].Hash(at.Name))[:4])
		}
	}
	return strings.Join(list, " ")
}

func TestProofs_RFC4035AppendixB(t *testing.T) {
	s := withChain(t, build(t, "example", rfcZone, nil), policy.Denial{}, nil, nil)
	tests := []struct {
		section, name string
		wildcard      bool
		want          string
	}{
		{"B.2", "ml.example", false, "b.example. example."},
		{"B.3", "ns1.example", false, "ns1.example."},
		{"B.5", "b.example", false, "b.example."},
		{"B.6", "a.z.w.example", true, "x.y.w.example."},
		{"B.7", "a.z.w.example", false, "x.y.w.example. *.w.example."},
		{"B.8", "example", false, "example."},
		{"an empty non-terminal", "y.w.example", false, "x.w.example."},
		{"another", "w.example", false, "ns2.example."},
		{"after the last name", "zz.example", false, "xx.example. example."},
		{"one record denies name and wildcard", "aa.example", false, "a.example. example."},
		{"before the first name", "!.example", false, "example."},
	}
	for _, tc := range tests {
		p, _ := prove(s, wire(t, tc.name), tc.wildcard)
		if got := owners(s, p); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.section, got, tc.want)
		}
	}
}

func TestProofs_RFC5155AppendixB(t *testing.T) {
	text := strings.NewReplacer("\nb NS", "\nc NS", ".b", ".c").Replace(rfcZone) + "2t7b4g4vsa5smi47k61mv5bv1a22bojr A 192.0.2.127\n"
	s := withChain(t, build(t, "example", text, nil), policy.Denial{NSEC3: true, OptOut: true, Iterations: 12}, rfc5155Salt, nil)
	tests := []struct {
		section, name string
		wildcard      bool
		want          string
	}{
		{"B.1", "a.c.x.w.example", false, "b4um 0p9m 35mt"},
		{"B.2", "ns1.example", false, "2t7b"},
		{"B.2.1", "y.w.example", false, "ji6n"},
		{"B.3", "c.example", false, "0p9m 35mt"},
		{"B.4", "a.z.w.example", true, "q04j"},
		{"B.5", "a.z.w.example", false, "k8ud q04j r53b"},
		{"B.6", "example", false, "0p9m"},
	}
	for _, tc := range tests {
		p, _ := prove(s, wire(t, tc.name), tc.wildcard)
		if got := owners(s, p); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.section, got, tc.want)
		}
	}
}

// claim answers what a proof's records say of names, as a validator reads them.
type claim struct {
	s *zone.Signed
	p Proof
}

func (c claim) matches(key []byte) bool {
	for _, at := range c.p.At[:c.p.N] {
		if c.s.NSEC3 == nil {
			if bytes.Equal(c.s.At(at).Key(at.Name), key) {
				return true
			}
			continue
		}
		if h := c.hash(key); bytes.Equal(c.s.NSEC3.Buckets[at.Block].Hash(at.Name), h[:]) {
			return true
		}
	}
	return false
}

func (c claim) hash(key []byte) hash {
	return HashName(zone.AppendWire(nil, key, c.s.Origin()), c.s.NSEC3.Salt, c.s.NSEC3.Iterations)
}

func (c claim) covers(key []byte) bool {
	for _, at := range c.p.At[:c.p.N] {
		var from, to, x []byte
		if c.s.NSEC3 == nil {
			next := c.s.NextNSEC(at)
			from, to, x = c.s.At(at).Key(at.Name), c.s.At(next).Key(next.Name), key
		} else {
			h := c.hash(key)
			from, to, x = c.s.NSEC3.Buckets[at.Block].Hash(at.Name), c.s.NSEC3.NextHash(at), h[:]
		}
		after, before := bytes.Compare(from, x) < 0, bytes.Compare(x, to) < 0
		if bytes.Compare(from, to) < 0 && after && before || bytes.Compare(from, to) >= 0 && (after || before) {
			return true
		}
	}
	return false
}

// enclosed is the closest (provable) encloser proof for a name: an ancestor
// that is matched, and the name below it covered. It returns the ancestor.
func (c claim) enclosed(key []byte) ([]byte, bool) {
	for up := key; len(up) > 0; {
		below := up
		up = zone.Parent(up)
		if c.matches(up) {
			return up, c.covers(below)
		}
	}
	return nil, false
}

// holds reports whether a proof proves what it is for (RFC 4035 section 5.4,
// RFC 5155 section 8).
func (c claim) holds(kind string, key []byte, ce int, optOut bool) bool {
	wild := zone.AppendWildcard(nil, key[:ce])
	if c.s.NSEC3 == nil {
		switch kind {
		case "nodata": // an NSEC at the name, or one that leads below it
			return c.matches(key) || c.covers(key)
		case "nxdomain":
			return c.covers(key) && c.covers(wild)
		case "wildcard":
			return c.covers(key)
		}
		return c.covers(key) && (c.matches(wild) || c.covers(wild))
	}
	up, ok := c.enclosed(key)
	switch kind {
	case "nodata":
		return c.matches(key) || optOut && ok
	case "nxdomain":
		return ok && c.covers(zone.AppendWildcard(nil, up))
	case "wildcard":
		return c.covers(key[:nextCloser(key, ce)])
	}
	return ok && c.matches(wild)
}

func TestProofs_HoldForEveryQuestion(t *testing.T) {
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 6))
		d := []policy.Denial{{}, {NSEC3: true}, {NSEC3: true, OptOut: true}}[seed%3]
		names := map[string]bool{}
		var b strings.Builder
		for range r.IntN(150) {
			if name := randomName(r); !names[name] {
				names[name] = true
				b.WriteString(randomRecords(r, name))
			}
		}
		s := withChain(t, build(t, "example", apex+b.String(), nil), d, nil, nil)
		kinds := map[string]int{}
		for range 2000 {
			name := randomName(r)
			if r.IntN(3) == 0 {
				name = fmt.Sprintf("%c%d.%s", 'a'+rune(r.IntN(26)), r.IntN(9), name)
			}
			key, _ := s.Key(nil, wire(t, name+".example"))
			at, exact := s.Find(key)
			if exact && s.At(at).Flags(at.Name)&zone.Occluded != 0 || !exact && occluded(s.Zone, key) {
				continue
			}
			p, kind := prove(s, wire(t, name+".example"), r.IntN(2) == 0)
			kinds[kind]++
			if !(claim{s, p}).holds(kind, key, encloser(s.Zone, key, at), d.OptOut) {
				t.Fatalf("seed %d %s: %s for %s is not proven by %s", seed, d, kind, name, owners(s, p))
			}
		}
		if seed > 6 && kinds["nxdomain"] == 0 {
			t.Errorf("seed %d: kinds %v", seed, kinds)
		}
	}
}

// occluded reports whether a name is below a cut or a DNAME.
func occluded(z *zone.Zone, key []byte) bool {
	for ; len(key) > 0; key = zone.Parent(key) {
		if at, exact := z.Find(key); exact && z.At(at).Flags(at.Name)&(zone.Cut|zone.Redirect|zone.Occluded) != 0 {
			return true
		}
	}
	return false
}

func TestProofs_DoNotAllocate(t *testing.T) {
	for _, d := range []policy.Denial{{}, {NSEC3: true}} {
		s := withChain(t, build(t, "example", rfcZone, nil), d, nil, nil)
		key, _ := s.Key(nil, wire(t, "a.c.x.w.example"))
		at, _ := s.Find(key)
		if n := testing.AllocsPerRun(100, func() { NameError(s, key, at, encloser(s.Zone, key, at)) }); n != 0 {
			t.Errorf("%s: %v allocations", d, n)
		}
	}
}

func BenchmarkNameError(b *testing.B) {
	for _, d := range []policy.Denial{{}, {NSEC3: true}} {
		b.Run(d.String(), func(b *testing.B) {
			s := withChain(b, build(b, "example", rfcZone, nil), d, nil, nil)
			key, _ := s.Key(nil, wire(b, "a.c.x.w.example"))
			at, _ := s.Find(key)
			b.ReportAllocs()
			for b.Loop() {
				NameError(s, key, at, encloser(s.Zone, key, at))
			}
		})
	}
}
