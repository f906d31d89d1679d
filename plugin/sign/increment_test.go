package sign

import (
	"crypto"
	"crypto/sha512"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// quickSigner makes octets that no validator would take, but quickly, and that
// depend on key and message as a signature does.
type quickSigner struct {
	crypto.Signer
	seed string
}

func (q quickSigner) Sign(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	sum := sha512.Sum512(append([]byte(q.seed), message...))
	return sum[:], nil
}

func quickKey(t testing.TB, role policy.Role, seed string) Key {
	k := newKey(t, role, policy.ED25519, seed)
	k.Signer = quickSigner{k.Signer, seed}
	return k
}

// model is a zone that changes at random.
type model struct {
	r     *rand.Rand
	names map[string]string // records of each name
	soa   string
	next  int
}

func newModel(seed uint64, names int) *model {
	m := &model{r: rand.New(rand.NewPCG(seed, 99)), names: map[string]string{}, soa: "1800"}
	for range names {
		m.add()
	}
	return m
}

// add makes a name with records, sometimes one that is a cut, an alias, a
// wildcard or below empty non-terminals.
func (m *model) add() {
	m.next++
	name := fmt.Sprintf("n%d", m.r.IntN(1<<20))
	for m.r.IntN(4) == 0 {
		name += fmt.Sprintf(".p%d", m.r.IntN(40))
	}
	switch m.r.IntN(12) {
	case 0:
		m.names["*."+name] = "3600 TXT wild"
	case 1:
		m.names[name] = "3600 NS ns." + name
		m.names["ns."+name] = "3600 A 192.0.2.1"
	case 2:
		m.names[name] = "3600 NS ns\n" + name + " 3600 DS 1 13 2 " + strings.Repeat("0A", 32)
	case 3:
		m.names[name] = "3600 CNAME www"
	case 4:
		m.names[name] = "3600 DNAME example.net."
	case 5:
		m.names["*.p"+fmt.Sprint(m.r.IntN(40))] = "3600 A 192.0.2.3"
	case 6:
		m.names[fmt.Sprintf("lame%d.q%d.p%d", m.next, m.r.IntN(5), m.r.IntN(40))] = "3600 NS ns.example.net."
	default:
		m.names[name] = fmt.Sprintf("%d A 192.0.2.%d\n%s 3600 AAAA 2001:db8::%x", 60*m.r.IntN(60), m.r.IntN(255), name, m.next)
	}
}

// edit changes up to a few names.
func (m *model) edit() {
	for range m.r.IntN(6) {
		m.add()
	}
	all := slices.Sorted(maps.Keys(m.names))
	for range m.r.IntN(6) {
		delete(m.names, all[m.r.IntN(len(all))])
	}
	if m.r.IntN(15) == 0 {
		m.soa = fmt.Sprint(600 * (1 + m.r.IntN(4)))
	}
}

func (m *model) build(t testing.TB, prev *zone.Zone) *zone.Zone {
	var b strings.Builder
	fmt.Fprintf(&b, "@ 3600 SOA ns host 1 2 3 4 %s\n@ 3600 NS ns\nns 3600 A 192.0.2.1\n", m.soa)
	for name, records := range m.names {
		fmt.Fprintf(&b, "%s %s\n", name, records)
	}
	return build(t, "example.org", b.String(), prev)
}

// children chooses owners to which a DS is added as a parent does it that is
// served here; most are delegations.
func (m *model) children() (owners []string) {
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		if strings.Contains(m.names[name], " NS ") && m.r.IntN(3) == 0 {
			owners = append(owners, name)
		}
	}
	return owners
}

// withDS adds a DS set at those owners that are delegations.
func withDS(t testing.TB, z *zone.Zone, owners []string) *zone.Zone {
	for _, owner := range owners {
		k, _ := z.Key(nil, wire(t, owner+".example.org"))
		rd := append([]byte{0, 9, 13, 2}, make([]byte, 32)...)
		if next, err := z.WithDS([]zone.DSSet{{Key: k, TTL: 300, RData: [][]byte{rd}}}); err == nil {
			z = next
		}
	}
	return z
}

// world is everything else that a signed zone depends on, changing at random.
type world struct {
	in       Input
	keys     int
	unsigned bool
}

func (w *world) step(t testing.TB, r *rand.Rand) {
	pol := policy.Default()
	switch r.IntN(11) {
	case 0, 1:
		w.in.Now = w.in.Now.Add(time.Duration(r.Int64N(int64(3 * time.Hour))))
	case 2:
		w.in.Now = w.in.Now.Add(time.Duration(r.Int64N(int64(12 * 24 * time.Hour))))
	case 3:
		w.in.Denial = policy.Denial{NSEC3: r.IntN(3) > 0, OptOut: r.IntN(2) == 0, Iterations: uint16(r.IntN(2))}
	case 4:
		w.in.Salt = []byte{byte(r.IntN(4))}
	case 5: // a new ZSK, and perhaps times of another length
		w.keys++
		last := w.in.Generations[len(w.in.Generations)-1]
		k := quickKey(t, policy.ZSK, fmt.Sprint("zsk", w.keys))
		k.Published = r.IntN(2) == 0
		w.in.Keys = append(slices.Clone(w.in.Keys), k)
		next := Generation{
			Since: w.in.Now, Validity: pol.Validity + time.Duration(r.IntN(3))*time.Hour,
			ValidityDNSKEY: pol.ValidityDNSKEY, Refresh: pol.Refresh, ZoneSigners: []int{len(w.in.Keys) - 1},
		}
		w.in.Generations = []Generation{last, next}
	case 6: // the roll is over: keys that sign no more go
		g := w.in.Generations[len(w.in.Generations)-1]
		w.in.Keys = []Key{w.in.Keys[0], w.in.Keys[g.ZoneSigners[0]]}
		w.in.Keys[1].Published = true
		g.ZoneSigners = []int{1}
		w.in.Generations, w.in.DNSKEYSigners = []Generation{g}, []int{0}
	case 7:
		w.in.CDS = nil
		if r.IntN(2) == 0 {
			k, err := key.FromDNSKEY(w.in.Keys[0].DNSKEY)
			if err != nil {
				t.Fatal(err)
			}
			if w.in.CDS, err = cds(k); err != nil {
				t.Fatal(err)
			}
		}
	case 8: // another KSK, perhaps one that revokes itself
		w.keys++
		k := quickKey(t, policy.KSK, fmt.Sprint("ksk", w.keys))
		if r.IntN(2) == 0 {
			k = revoked(t, k)
		}
		w.in.Keys = append(slices.Clone(w.in.Keys), k)
		w.in.DNSKEYSigners = append(slices.Clone(w.in.DNSKEYSigners), len(w.in.Keys)-1)
	case 9:
		w.in.DNSKEYSigners = w.in.DNSKEYSigners[:1]
		for i := range w.in.Keys {
			w.in.Keys[i].Published = w.in.Keys[i].Published && !w.in.Keys[i].revoked()
		}
	case 10:
		w.unsigned = !w.unsigned
	}
}

// revoked returns a key in the form in which it revokes itself.
func revoked(t testing.TB, k Key) Key {
	public, err := key.FromDNSKEY(k.DNSKEY)
	if err != nil {
		t.Fatal(err)
	}
	return NewKey(public.Revoked(), k.Published, k.Signer)
}

// input is what the world makes of a zone.
func (w *world) input(z *zone.Zone, prev *zone.Signed) Input {
	in := w.in
	if w.unsigned {
		in = Input{Unsigned: true, Denial: in.Denial, Salt: in.Salt, Now: in.Now}
	}
	in.Zone, in.Previous = z, prev
	return in
}

func cds(k key.Key) ([][]byte, error) {
	rd, err := k.CDS([]byte("\x07example\x03org\x00"), 2)
	return [][]byte{rd}, err
}

func newWorld(t testing.TB) *world {
	pol := policy.Default()
	return &world{in: Input{
		Keys: []Key{quickKey(t, policy.KSK, "ksk"), quickKey(t, policy.ZSK, "zsk")},
		Generations: []Generation{{
			Since: now, Validity: pol.Validity, ValidityDNSKEY: pol.ValidityDNSKEY, Refresh: pol.Refresh,
			ZoneSigners: []int{1},
		}},
		DNSKEYSigners: []int{0},
		DNSKEYTTL:     3600,
		Now:           now,
	}}
}

func TestSign_IncrementsEqualFromScratch(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			names, steps := []int{3, 60, 700, 3000}[seed%4], []int{40, 40, 20, 12}[seed%4]
			m := newModel(seed, names)
			w := newWorld(t)
			var loaded *zone.Zone
			var last *zone.Signed
			for step := range steps {
				if m.r.IntN(4) > 0 {
					m.edit()
				}
				if step > 0 {
					w.step(t, m.r)
				}
				loaded = m.build(t, loaded)
				ds := m.children()
				stepwise, _ := signed(t, w.input(withDS(t, loaded, ds), last))
				scratch, _ := signed(t, w.input(withDS(t, m.build(t, nil), ds), nil))
				equalSigned(t, fmt.Sprintf("step %d, %+v", step, w.in.Denial), stepwise, scratch)
				last = stepwise
			}
		})
	}
}

// bigZone has several blocks; edits are one name's records.
func bigZone(t testing.TB, names int, edit string, prev *zone.Zone) *zone.Zone {
	var b strings.Builder
	b.WriteString(apex)
	for n := range names {
		fmt.Fprintf(&b, "host%d A 192.0.2.1\n", n)
	}
	b.WriteString(edit)
	return build(t, "example.org", b.String(), prev)
}

func TestSign_OneChangeMakesTwoSignatures(t *testing.T) {
	for _, d := range []policy.Denial{{}, {NSEC3: true}, {NSEC3: true, OptOut: true}} {
		t.Run(d.String(), func(t *testing.T) {
			in := newWorld(t).in
			in.Denial = d
			in.Zone = bigZone(t, 6000, "www 3600 A 192.0.2.2\n", nil)
			first, _ := signed(t, in)

			in.Previous = first
			same, made := signed(t, in)
			if made != 1 || same.Digest != first.Digest {
				t.Errorf("%d signatures and another digest with nothing changed", made)
			}
			in.Zone = bigZone(t, 6000, "www 3600 A 192.0.2.3\n", in.Zone)
			changed, made := signed(t, in)
			if made != 2 || changed.Digest == first.Digest {
				t.Errorf("%d signatures for one changed record, want 2", made)
			}
			blocks, buckets := unshared(first, changed)
			if blocks != 2 || buckets != 0 { // the apex, whose SOA is new, and that of the name
				t.Errorf("%d of %d blocks and %d buckets are not shared", blocks, len(first.Blocks), buckets)
			}

			in.Previous = changed
			in.Zone = bigZone(t, 6000, "www 3600 A 192.0.2.3\nwww2 3600 A 192.0.2.3\n", in.Zone)
			added, made := signed(t, in)
			if made != 4 { // the set, its NSEC or NSEC3, the one before, the SOA
				t.Errorf("%d signatures for one more name, want 4", made)
			}
			if blocks, buckets = unshared(changed, added); blocks > 3 || buckets > 2 {
				t.Errorf("%d blocks and %d buckets are not shared", blocks, buckets)
			}
		})
	}
}

// unshared counts the parts of b that a does not have.
func unshared(a, b *zone.Signed) (blocks, buckets int) {
	for n := range b.Blocks {
		if !slices.Contains(a.Blocks, b.Blocks[n]) {
			blocks++
		}
	}
	if b.NSEC3 != nil {
		for n := range b.NSEC3.Buckets {
			if !slices.Contains(a.NSEC3.Buckets, b.NSEC3.Buckets[n]) {
				buckets++
			}
		}
	}
	return blocks, buckets
}

func TestSign_AKeyRollMakesOneSignatureASet(t *testing.T) {
	in := newWorld(t).in
	in.Zone = bigZone(t, 500, "", nil)
	s, total := signed(t, in)
	in.Keys = append(in.Keys, quickKey(t, policy.ZSK, "zsk2"))
	roll := in.Generations[0]
	roll.Since, roll.ZoneSigners = in.Now, []int{2}
	in.Generations = append(in.Generations, roll)
	period := policy.Period(roll.Validity, roll.Refresh)
	made, versions, soa := 0, 0, 0
	for end := in.Now.Add(period); ; {
		in.Now = time.Unix(s.Due, 0)
		if in.Now.After(end) {
			break
		}
		in.Previous = s
		next, n := signed(t, in)
		if next.Digest == s.Digest {
			t.Fatal("a pass when something is due changed nothing")
		}
		made, versions, soa = made+n-1, versions+1, soa+1
		s = next
	}
	if made != total { // all but the SOA, and the DNSKEY set once more for the new key
		t.Errorf("%d signatures made in %d versions for %d that there are", made, versions, total)
	}
	if versions < 200 || versions > 241 {
		t.Errorf("the roll took %d versions", versions)
	}
	for _, b := range s.Blocks {
		for n := range b.Total() {
			if g := b.At(n); g.Key == 1 {
				t.Fatal("a signature by the old key is left")
			}
		}
	}
}

func TestSign_AnEmergencyMovesAllAtOnce(t *testing.T) {
	in := newWorld(t).in
	in.Zone = bigZone(t, 500, "", nil)
	s, total := signed(t, in)
	in.Previous = s
	in.Keys[1] = quickKey(t, policy.ZSK, "zsk2")
	_, made := signed(t, in)
	if made != total { // DNSKEY has changed too
		t.Errorf("%d of %d signatures made", made, total)
	}
}

func TestP18_NoSignatureIsReusedForAnotherTTL(t *testing.T) {
	in := newWorld(t).in
	in.Zone = build(t, "example.org", apex+"ns 3600 A 192.0.2.1\n", nil)
	in.Previous, _ = signed(t, in)
	in.Zone = build(t, "example.org", apex+"ns 3601 A 192.0.2.1\n", nil)
	if _, made := signed(t, in); made != 2 {
		t.Errorf("%d signatures made, want 2", made)
	}
	in.Zone = build(t, "example.org", strings.Replace(apex, "1800", "1801", 1)+"ns 3600 A 192.0.2.1\n", nil)
	if _, made := signed(t, in); made != 3 { // both NSEC records and the SOA
		t.Errorf("%d signatures made for another negative TTL, want 3", made)
	}
}

// nullSigner costs nothing.
type nullSigner struct {
	crypto.Signer
	raw []byte
}

func (n nullSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return n.raw, nil }
