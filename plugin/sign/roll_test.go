package sign

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// rollText is a zone with something of everything that is signed.
const rollText = apex + `ns A 192.0.2.1
www A 192.0.2.2
*.w TXT "wild"
a.b.c A 192.0.2.3
sub NS ns
sub DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
lame NS ns.example.net.
`

// dsOf returns the DS records of keys.
func dsOf(t testing.TB, keys ...Key) (list [][]byte) {
	t.Helper()
	for _, k := range keys {
		public, err := key.FromDNSKEY(k.DNSKEY)
		if err != nil {
			t.Fatal(err)
		}
		rd, err := public.DS(wire(t, "example.org"), key.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rd)
	}
	return list
}

// judgeVersion has a version judged by verify, with each of the DS that the
// parent may have at that time, and by outside judges.
func judgeVersion(t *testing.T, in Input, s *zone.Signed, parent ...[]byte) {
	t.Helper()
	for _, ds := range parent {
		if err := verifyVersion(in, s, ds); err != nil {
			t.Errorf("with the DS of key %d: %v", int(ds[0])<<8|int(ds[1]), err)
		}
	}
	file := writeZone(t, s)
	csk := slices.ContainsFunc(in.Keys, func(k Key) bool { return k.Published && k.Role == policy.CSK })
	for _, outside := range judges {
		// One knows RSA alone, one takes a CSK beside a ZSK for a KSK.
		if outside.name == "validns" || outside.name == "kzonecheck" && csk {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), outside.name, outside.args("example.org.", file)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", outside.name, err, tail(string(out), 10))
		}
	}
}

// verifyVersion is what stands between a version and its being served.
func verifyVersion(in Input, s *zone.Signed, ds ...[]byte) error {
	o := verify.Options{Now: in.Now, DS: ds, Unsigned: in.Unsigned}
	for _, g := range in.Generations {
		o.Remaining = g.Refresh
	}
	for _, k := range in.Keys {
		if !k.Published {
			o.Announced = append(o.Announced, k.DNSKEY)
		}
	}
	_, err := verify.Zone(s.Origin(), records(flat(s)), o)
	return err
}

// stage is one state of a roll: who is published and who signs.
type stage struct {
	name      string
	published []int
	dnskey    []int   // sign DNSKEY
	zone      [][]int // sign the zone: a generation each
	cds       []int
	parent    []int // whose DS the parent may have
}

// input returns the input for a stage, thirds of the way into the move to the
// newest generation.
func (s stage) input(t testing.TB, in Input, thirds int) Input {
	in.Keys = slices.Clone(in.Keys)
	for n := range in.Keys {
		in.Keys[n].Published = slices.Contains(s.published, n)
	}
	in.DNSKEYSigners = s.dnskey
	g := in.Generations[0]
	g.Since, in.Generations = time.Time{}, nil
	for n, signers := range s.zone {
		g.ZoneSigners = signers
		if n > 0 {
			g.Since = in.Now.Add(-policy.Period(g.Validity, g.Refresh) * time.Duration(thirds) / 3)
		}
		in.Generations = append(in.Generations, g)
	}
	in.CDS, in.CDNSKEY = nil, nil
	for _, n := range s.cds {
		in.CDS = append(in.CDS, dsOf(t, in.Keys[n])...)
		in.CDNSKEY = append(in.CDNSKEY, in.Keys[n].DNSKEY)
	}
	return in
}

// algorithmRoll goes from keys 0 (KSK) and 1 (ZSK) to 2 and 3, of another
// algorithm: signatures first in, last out (RFC 6781 section 4.1.4).
var algorithmRoll = []stage{
	{"before", []int{0, 1}, []int{0}, [][]int{{1}}, []int{0}, []int{0}},
	{"signatures come", []int{0, 1}, []int{0}, [][]int{{1}, {1, 3}}, []int{0}, []int{0}},
	{"signatures are there", []int{0, 1}, []int{0}, [][]int{{1, 3}}, []int{0}, []int{0}},
	{"keys are there", []int{0, 1, 2, 3}, []int{0, 2}, [][]int{{1, 3}}, []int{0}, []int{0}},
	{"the DS is swapped", []int{0, 1, 2, 3}, []int{0, 2}, [][]int{{1, 3}}, []int{2}, []int{0, 2}},
	{"old keys are gone", []int{2, 3}, []int{2}, [][]int{{1, 3}}, []int{2}, []int{2}},
	{"old signatures go", []int{2, 3}, []int{2}, [][]int{{1, 3}, {3}}, []int{2}, []int{2}},
	{"after", []int{2, 3}, []int{2}, [][]int{{3}}, []int{2}, []int{2}},
}

// rolls are the other kinds, each from keys 0 and 1 to 2 and 3 of the same
// algorithm. Key 4 is a CSK.
var rolls = map[string][]stage{
	"ZSK": {
		{"published", []int{0, 1, 3}, []int{0}, [][]int{{1}}, nil, []int{0}},
		{"signatures move", []int{0, 1, 3}, []int{0}, [][]int{{1}, {3}}, nil, []int{0}},
		{"signatures have moved", []int{0, 1, 3}, []int{0}, [][]int{{3}}, nil, []int{0}},
		{"after", []int{0, 3}, []int{0}, [][]int{{3}}, nil, []int{0}},
	},
	"KSK": {
		{"both sign", []int{0, 1, 2}, []int{0, 2}, [][]int{{1}}, []int{0}, []int{0}},
		{"the DS is swapped", []int{0, 1, 2}, []int{0, 2}, [][]int{{1}}, []int{2}, []int{0, 2}},
		{"after", []int{1, 2}, []int{2}, [][]int{{1}}, []int{2}, []int{2}},
	},
	"KSK and ZSK at once": {
		{"both KSKs sign", []int{0, 1, 2, 3}, []int{0, 2}, [][]int{{1}, {3}}, []int{0, 2}, []int{0, 2}},
		{"after", []int{2, 3}, []int{2}, [][]int{{1}, {3}}[1:], []int{2}, []int{2}},
	},
	"to a CSK": {
		{"published", []int{0, 1, 4}, []int{0, 4}, [][]int{{1}}, []int{0}, []int{0}},
		{"the DS is swapped, signatures move", []int{0, 1, 4}, []int{0, 4}, [][]int{{1}, {4}}, []int{4}, []int{0, 4}},
		{"the KSK is gone", []int{1, 4}, []int{4}, [][]int{{1}, {4}}, []int{4}, []int{4}},
		{"after", []int{4}, []int{4}, [][]int{{4}}, []int{4}, []int{4}},
	},
}

// rollKeys returns keys for the stages above.
func rollKeys(t testing.TB, from, to policy.Algorithm) []Key {
	return []Key{newKey(t, policy.KSK, from, "old ksk"), newKey(t, policy.ZSK, from, "old zsk"),
		newKey(t, policy.KSK, to, "new ksk"), newKey(t, policy.ZSK, to, "new zsk"), newKey(t, policy.CSK, to, "csk")}
}

// P6: each zone in an algorithm roll has every algorithm of its DS in its
// DNSKEY set, and every algorithm there signs every set.
func TestP6_EveryVersionOfAnAlgorithmRollIsStrictlyValid(t *testing.T) {
	z := build(t, "example.org", rollText, nil)
	for _, d := range []policy.Denial{{}, {NSEC3: true}} {
		for _, to := range []policy.Algorithm{policy.ECDSAP256SHA256, policy.ED25519} {
			t.Run(fmt.Sprint(d, to), func(t *testing.T) {
				t.Parallel()
				all := input(t, z, policy.RSASHA256)
				all.Now, all.Denial = time.Now(), d
				all.Keys = rollKeys(t, policy.RSASHA256, to)
				for _, st := range algorithmRoll {
					for thirds := range 3 {
						in := st.input(t, all, thirds)
						s, _ := signed(t, in)
						all.Previous = s
						t.Run(fmt.Sprintf("%s, %d thirds", st.name, thirds), func(t *testing.T) {
							judgeVersion(t, in, s, dsOf(t, keysOf(in, st.parent)...)...)
						})
						if len(st.zone) == 1 {
							break
						}
					}
				}
			})
		}
	}
}

// CDS and CDNSKEY are sets of the zone like others: a cache may have them with a
// DNSKEY set that shows both algorithms.
func TestP6_CDSIsSignedByEachAlgorithmThatSignsTheZone(t *testing.T) {
	all := input(t, build(t, "example.org", rollText, nil), policy.ECDSAP256SHA256)
	all.Now, all.Keys = time.Now(), rollKeys(t, policy.ECDSAP256SHA256, policy.ED25519)
	for _, st := range algorithmRoll {
		s, _ := signed(t, st.input(t, all, 1))
		want := 1
		if newest := st.zone[len(st.zone)-1]; len(newest) > 1 {
			want = 2
		}
		for _, line := range strings.Split(apexSigners(s), ", ")[1:] {
			algorithms := map[uint8]bool{}
			for _, word := range strings.Fields(line)[1:] {
				n, _ := strconv.Atoi(word)
				algorithms[all.Keys[n].Algorithm] = true
			}
			if len(algorithms) != want {
				t.Errorf("%s: %s: signed by %d algorithms, not %d", st.name, line, len(algorithms), want)
			}
		}
	}
}

func keysOf(in Input, list []int) (keys []Key) {
	for _, n := range list {
		keys = append(keys, in.Keys[n])
	}
	return keys
}

// P6, .gov in August 2013: the steps in another order are refused by verify, and
// by others as far as they can see it.
func TestP6_AnAlgorithmRollInTheWrongOrderIsRefused(t *testing.T) {
	tests := []struct {
		stage
		want    string
		outside bool // it can be seen without the DS
	}{
		{stage{"keys before signatures", []int{0, 1, 2, 3}, []int{0, 2}, [][]int{{1}}, nil, []int{0}},
			"no signature of algorithm 15", true},
		{stage{"keys while signatures come", []int{0, 1, 2, 3}, []int{0, 2}, [][]int{{1}, {1, 3}}, nil, []int{0}},
			"no signature of algorithm 15", true},
		{stage{"signatures out before keys", []int{0, 1, 2, 3}, []int{0, 2}, [][]int{{3}}, nil, []int{2}},
			"no signature of algorithm 8", true},
		{stage{"DNSKEY not signed by the new key", []int{0, 1, 2, 3}, []int{0}, [][]int{{1, 3}}, nil, []int{0}},
			"DNSKEY: no signature of algorithm 15", true},
		{stage{"DS before the key", []int{0, 1}, []int{0}, [][]int{{1, 3}}, nil, []int{0, 2}},
			"no signature by a key that a DS of algorithm 15 at the parent names", false},
		{stage{"key out before the DS", []int{2, 3}, []int{2}, [][]int{{1, 3}}, nil, []int{0, 2}},
			"no signature by a key that a DS of algorithm 8 at the parent names", false},
		{stage{"CDS of a key that is only announced", []int{0, 1}, []int{0}, [][]int{{1, 3}}, []int{2}, []int{0}},
			"CDS: names ", false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			all := input(t, build(t, "example.org", rollText, nil), policy.RSASHA256)
			all.Now, all.Keys = time.Now(), rollKeys(t, policy.RSASHA256, policy.ED25519)
			in := tc.input(t, all, 1)
			s, _ := signed(t, in)
			if err := verifyVersion(in, s, dsOf(t, keysOf(in, tc.parent)...)...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			out, err := exec.CommandContext(t.Context(), "dnssec-verify", "-o", "example.org.", writeZone(t, s)).CombinedOutput()
			if (err != nil) != tc.outside {
				t.Errorf("dnssec-verify: %v\n%s", err, out)
			}
		})
	}
}

// The denial of existence may change in any version of any roll.
func TestSign_DenialChangesWhileKeysRoll(t *testing.T) {
	kinds := []policy.Denial{{}, {NSEC3: true}, {NSEC3: true, Iterations: 1}, {}, {NSEC3: true, OptOut: true}, {NSEC3: true}}
	for name, stages := range rolls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := input(t, build(t, "example.org", rollText, nil), policy.ECDSAP256SHA256)
			all.Now, all.Keys = time.Now(), rollKeys(t, policy.ECDSAP256SHA256, policy.ECDSAP256SHA256)
			n := 0
			for _, st := range stages {
				for range 3 {
					all.Denial, all.Salt = kinds[n%len(kinds)], []byte{byte(n / 2)}
					in := st.input(t, all, n%3)
					s, _ := signed(t, in)
					all.Previous = s
					t.Run(fmt.Sprintf("%s, %s", st.name, all.Denial), func(t *testing.T) {
						judgeVersion(t, in, s, dsOf(t, keysOf(in, st.parent)...)...)
						in.Previous = nil
						scratch, _ := signed(t, in)
						equalSigned(t, "from scratch", s, scratch)
					})
					n++
				}
			}
		})
	}
}

// A chain of trust moves in one version: who signs DNSKEY and CDS does not wait
// for the move of the zone's signatures, and costs none of them.
func TestSign_DNSKEYSignersChangeAtOnce(t *testing.T) {
	in := newWorld(t).in
	in.Zone = bigZone(t, 3000, "", nil)
	in.Keys = append(in.Keys, quickKey(t, policy.ZSK, "zsk2"))
	g := in.Generations[0]
	in.Generations[0].Since = time.Time{}
	g.Since, g.ZoneSigners, g.ValidityDNSKEY = in.Now.Add(-3*24*time.Hour), []int{2}, g.ValidityDNSKEY+5*time.Hour
	in.Generations = append(in.Generations, g)
	before, _ := signed(t, in)

	in.Previous = before
	in.Keys = append(in.Keys, quickKey(t, policy.KSK, "ksk2"))
	in.DNSKEYSigners = []int{0, 3}
	in.CDS, in.CDNSKEY = dsOf(t, in.Keys[0], in.Keys[3]), [][]byte{in.Keys[0].DNSKEY, in.Keys[3].DNSKEY}
	both, made := signed(t, in)
	if blocks, _ := unshared(before, both); blocks != 1 || made != 8 { // DNSKEY, CDS, CDNSKEY by two, apex NSEC and SOA by one
		t.Errorf("%d signatures made, %d blocks not shared; want 8 and the apex", made, blocks)
	}
	if got := apexSigners(both); got != "DNSKEY 0 3, CDS 0 3, CDNSKEY 0 3" {
		t.Errorf("signed by %s", got)
	}
	from, _ := both.Blocks[0].SetSigs(both.Blocks[0].FindSet(0, zone.TypeDNSKEY))
	life := time.Duration(both.Blocks[0].At(from).Expiration-both.Blocks[0].At(from).Inception) * time.Second
	if life != g.ValidityDNSKEY+backdate*time.Second {
		t.Errorf("the DNSKEY signature lives %v, want the newest generation's %v", life, g.ValidityDNSKEY)
	}

	in.Previous = both
	in.Keys[0].Published, in.DNSKEYSigners = false, []int{3}
	in.CDS, in.CDNSKEY = in.CDS[1:], in.CDNSKEY[1:]
	after, made := signed(t, in)
	if blocks, _ := unshared(both, after); blocks != 1 || made != 4 || apexSigners(after) != "DNSKEY 3, CDS 3, CDNSKEY 3" {
		t.Errorf("%d signatures made, %d blocks not shared, signed by %s", made, blocks, apexSigners(after))
	}
}

// apexSigners says which keys sign the sets that concern the parent.
func apexSigners(s *zone.Signed) string {
	var parts []string
	for _, typ := range []uint16{zone.TypeDNSKEY, zone.TypeCDS, zone.TypeCDNSKEY} {
		b := s.Blocks[0]
		j := b.FindSet(0, typ)
		if j < 0 {
			continue
		}
		part := zone.TypeText(typ)
		from, to := b.SetSigs(j)
		for n := from; n < to; n++ {
			part += fmt.Sprint(" ", b.At(n).Key)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
