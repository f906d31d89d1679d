package verify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// now is the moment of the zones signed in these tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at() Options { return Options{Now: now} }

// testKey is an Ed25519 key: its signatures repeat.
type testKey struct {
	private ed25519.PrivateKey
	rdata   []byte
	tag     uint16
}

func newKey(seed byte, flags uint16) testKey {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	rdata := append([]byte{byte(flags >> 8), byte(flags), 3, 15}, private.Public().(ed25519.PublicKey)...)
	return testKey{private, rdata, keyTag(rdata)}
}

// testSigner signs the plain way: every name looked at against every rule.
type testSigner struct {
	origin     []byte
	ksk, zsk   testKey
	nsec3      bool
	optOut     bool
	keepEmpty  bool // with opt-out: empty non-terminals above unsigned delegations too
	salt       []byte
	iterations uint16
	fake       bool // signatures are digests of what is signed: fakeVerify
	inception  time.Time
	expiration time.Time
}

func newSigner() *testSigner {
	return &testSigner{
		origin: exampleOrg, ksk: newKey(1, 257), zsk: newKey(2, 256),
		inception: now.Add(-time.Hour), expiration: now.Add(14 * 24 * time.Hour),
	}
}

func (s *testSigner) params() []byte {
	return append([]byte{1, 0, byte(s.iterations >> 8), byte(s.iterations), byte(len(s.salt))}, s.salt...)
}

// zone is a zone by names, for the plain way.
type plainZone struct {
	names []string // canonical order
	sets  map[string]map[uint16][]Record
}

func newPlainZone(records []Record) *plainZone {
	z := &plainZone{sets: map[string]map[uint16][]Record{}}
	for _, r := range records {
		r.Owner = lowered(r.Owner)
		name := string(r.Owner)
		if z.sets[name] == nil {
			z.sets[name] = map[uint16][]Record{}
			z.names = append(z.names, name)
		}
		z.sets[name][r.Type] = append(z.sets[name][r.Type], r)
	}
	slices.SortFunc(z.names, func(a, b string) int { return compare([]byte(a), []byte(b)) })
	return z
}

// hidden reports whether an ancestor of name is a cut or has a DNAME.
func (z *plainZone) hidden(name string, origin []byte) bool {
	for up := []byte(name); len(up) > len(origin); {
		up = parent(up)
		sets := z.sets[string(up)]
		if sets[typeDNAME] != nil || sets[typeNS] != nil && len(up) > len(origin) {
			return true
		}
	}
	return false
}

// sign returns the records with keys, signatures and denial of existence.
func (s *testSigner) sign(records []Record) []Record {
	records = slices.Clone(records)
	var negative uint32
	for _, r := range records {
		if r.Type == typeSOA {
			negative = min(r.TTL, be32(r.RData[len(r.RData)-4:]))
		}
	}
	records = append(records, Record{s.origin, typeDNSKEY, 3600, s.ksk.rdata}, Record{s.origin, typeDNSKEY, 3600, s.zsk.rdata})
	if s.nsec3 {
		records = append(records, Record{s.origin, typeNSEC3PARAM, 0, s.params()})
	}
	z := newPlainZone(records)
	var chain []Record
	if s.nsec3 {
		chain = s.nsec3Chain(z, negative)
	} else {
		chain = s.nsecChain(z, negative)
	}
	out := slices.Concat(records, chain)
	for _, r := range chain {
		out = append(out, s.rrsig(r.Owner, []Record{r}))
	}
	for _, name := range z.names {
		if z.hidden(name, s.origin) {
			continue
		}
		for typ, set := range z.sets[name] {
			if cut := z.sets[name][typeNS] != nil && name != string(s.origin); !cut || typ == typeDS {
				out = append(out, s.rrsig([]byte(name), set))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Record) int {
		if c := compare(lowered(a.Owner), lowered(b.Owner)); c != 0 {
			return c
		}
		if c := bytes.Compare([]byte{byte(a.Type >> 8), byte(a.Type)}, []byte{byte(b.Type >> 8), byte(b.Type)}); c != 0 {
			return c
		}
		return bytes.Compare(a.RData, b.RData)
	})
	return out
}

func (s *testSigner) types(z *plainZone, name string, more ...uint16) []byte {
	types := more
	for t := range z.sets[name] {
		if cut := z.sets[name][typeNS] != nil && name != string(s.origin); !cut || t == typeNS || t == typeDS {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return appendBitmap(nil, slices.Compact(types))
}

func (s *testSigner) nsecChain(z *plainZone, ttl uint32) []Record {
	var names []string
	for _, name := range z.names {
		if !z.hidden(name, s.origin) {
			names = append(names, name)
		}
	}
	var chain []Record
	for i, name := range names {
		rdata := append([]byte(names[(i+1)%len(names)]), s.types(z, name, typeNSEC, typeRRSIG)...)
		chain = append(chain, Record{[]byte(name), typeNSEC, ttl, rdata})
	}
	return chain
}

func (s *testSigner) nsec3Chain(z *plainZone, ttl uint32) []Record {
	bitmaps := map[hash][]byte{}
	for _, name := range z.names {
		if z.hidden(name, s.origin) {
			continue
		}
		sets := z.sets[name]
		cut := sets[typeNS] != nil && name != string(s.origin)
		optedOut := cut && sets[typeDS] == nil && s.optOut
		var more []uint16
		if !cut || sets[typeDS] != nil {
			more = append(more, typeRRSIG)
		}
		if !optedOut {
			bitmaps[hashName([]byte(name), s.params())] = s.types(z, name, more...)
		}
		if optedOut && !s.keepEmpty {
			continue
		}
		for up := []byte(name); len(up) > len(s.origin); {
			if up = parent(up); z.sets[string(up)] == nil {
				bitmaps[hashName(up, s.params())] = nil
			}
		}
	}
	var hashes []hash
	for h := range bitmaps {
		hashes = append(hashes, h)
	}
	slices.SortFunc(hashes, func(a, b hash) int { return bytes.Compare(a[:], b[:]) })
	var chain []Record
	for i, h := range hashes {
		next := hashes[(i+1)%len(hashes)]
		rdata := s.params()
		if s.optOut {
			rdata[1] = 1
		}
		rdata = append(append(append(rdata, 20), next[:]...), bitmaps[h]...)
		chain = append(chain, Record{h.owner(s.origin), typeNSEC3, ttl, rdata})
	}
	return chain
}

// rrsig signs one set.
func (s *testSigner) rrsig(owner []byte, set []Record) Record {
	k := s.zsk
	if t := set[0].Type; t == typeDNSKEY || t == typeCDS || t == typeCDNSKEY {
		k = s.ksk
	}
	labels := countLabels(owner)
	if isWildcard(owner) {
		labels--
	}
	head := binary.BigEndian.AppendUint16(nil, set[0].Type)
	head = append(head, 15, byte(labels))
	head = binary.BigEndian.AppendUint32(head, set[0].TTL)
	head = binary.BigEndian.AppendUint32(head, uint32(s.expiration.Unix()))
	head = binary.BigEndian.AppendUint32(head, uint32(s.inception.Unix()))
	head = binary.BigEndian.AppendUint16(head, k.tag)
	head = append(head, s.origin...)
	c := Check{Owner: owner, Type: set[0].Type, RRSIG: append(head, 0)}
	for _, r := range set {
		c.set = appendRData(c.set, r.RData)
	}
	signature := fakeSignature(c)
	if !s.fake {
		signature = ed25519.Sign(k.private, c.signedData())
	}
	return Record{owner, typeRRSIG, set[0].TTL, append(head, signature...)}
}

// fakeSignature stands for a signature where a test makes too many of them.
func fakeSignature(c Check) []byte {
	sum := sha512.Sum512(c.signedData())
	return sum[:]
}

// fakeVerify is Options.Signatures for signatures by fakeSignature.
func fakeVerify(c Check) error {
	if bytes.Equal(fakeSignature(c), c.RRSIG[signatureAt(c.RRSIG):]) {
		return nil
	}
	return &Error{Origin: exampleOrg, Faults: []Fault{c.failure()}}
}

// fakes are options for zones with fake signatures.
func fakes() Options { return Options{Now: now, Signatures: fakeVerify} }

// denials are the kinds of chain that a test goes through.
var denials = map[string]func(*testSigner){
	"NSEC":            func(*testSigner) {},
	"NSEC3":           func(s *testSigner) { s.nsec3 = true },
	"NSEC3 with salt": func(s *testSigner) { s.nsec3, s.salt, s.iterations = true, []byte{0xaa, 0xbb}, 2 },
	"opt-out":         func(s *testSigner) { s.nsec3, s.optOut = true, true },
	"opt-out, whole":  func(s *testSigner) { s.nsec3, s.optOut, s.keepEmpty = true, true, true },
}

// randomName returns a name in the zone over few labels, so that names meet.
func randomName(r *rand.Rand) []byte {
	labels := []string{"a", "b", "c", "*", "A", "z\x00", "\x01"}
	name := bytes.Clone(exampleOrg)
	for range r.IntN(4) {
		l := labels[r.IntN(len(labels))]
		name = append(append([]byte{byte(len(l))}, l...), name...)
	}
	return name
}

// randomZone returns the records of a valid unsigned zone.
func randomZone(r *rand.Rand, names int) []Record {
	records := []Record{
		{exampleOrg, typeSOA, 3600, slices.Concat(exampleOrg, exampleOrg, []byte{0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 44})},
		{exampleOrg, typeNS, 3600, []byte("\x02ns\x01a\x00")},
	}
	for range names {
		records = edit(r, records)
	}
	return records
}

// edit adds a set to a name or removes one, keeping the zone one that is valid.
func edit(r *rand.Rand, records []Record) []Record {
	name := lowered(randomName(r))
	if bytes.Equal(name, exampleOrg) {
		return append(slices.Clip(records[:0:0]), append(records, Record{name, uint16(65280 + r.IntN(4)), 60, []byte{byte(r.IntN(256))}})...)
	}
	kept := slices.DeleteFunc(slices.Clone(records), func(x Record) bool { return bytes.Equal(x.Owner, name) })
	if len(kept) < len(records) && r.IntN(2) == 0 {
		return kept
	}
	kind := r.IntN(8)
	if isWildcard(name) {
		kind %= 4
	}
	add := func(typ uint16, rdata ...byte) { kept = append(kept, Record{name, typ, 300, rdata}) }
	switch kind {
	case 0, 1:
		add(1, 192, 0, 2, byte(r.IntN(256)))
	case 2:
		add(16, 1, byte(r.IntN(256)))
		add(28, bytes.Repeat([]byte{byte(r.IntN(256))}, 16)...)
	case 3:
		add(typeCNAME, 1, 'x', 0)
	case 4, 5:
		add(typeNS, 2, 'n', byte('a'+r.IntN(26)), 0)
	case 6:
		add(typeNS, 1, 'n', 0)
		add(typeDS, slices.Concat([]byte{1, byte(r.IntN(256)), 13, 2}, make([]byte, 32))...)
	case 7:
		add(typeDNAME, 1, 'd', 0)
	}
	return kept
}

func TestZone_AcceptsRandomZones(t *testing.T) {
	for name, set := range denials {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 60 {
			s := newSigner()
			set(s)
			s.fake = true
			signed := s.sign(dedupe(randomZone(r, n%40)))
			if _, err := Zone(exampleOrg, slices.Values(signed), fakes()); err != nil {
				t.Fatalf("%s, zone %d: %v\n%s", name, n, err, zoneText(signed))
			}
		}
	}
}

// dedupe removes records that are there twice.
func dedupe(records []Record) []Record {
	var out []Record
	for _, r := range records {
		if !slices.ContainsFunc(out, func(o Record) bool {
			return o.Type == r.Type && bytes.Equal(o.Owner, r.Owner) && bytes.Equal(o.RData, r.RData)
		}) {
			out = append(out, r)
		}
	}
	return out
}

// zoneText writes records as a zone file.
func zoneText(records []Record) string {
	var b bytes.Buffer
	for _, r := range records {
		b.WriteString(rrString(r))
		b.WriteByte('\n')
	}
	return b.String()
}

func rrString(r Record) string { return toRR(r).String() }

func toRR(r Record) dns.RR {
	buf := append(slices.Clone(r.Owner), byte(r.Type>>8), byte(r.Type), 0, 1)
	buf = binary.BigEndian.AppendUint32(buf, r.TTL)
	buf = append(buf, byte(len(r.RData)>>8), byte(len(r.RData)))
	rr, _, err := dns.UnpackRR(append(buf, r.RData...), 0)
	if err != nil {
		return &dns.TXT{Hdr: dns.RR_Header{Name: nameString(r.Owner), Rrtype: r.Type}, Txt: []string{err.Error()}}
	}
	return rr
}
