package verify

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
)

// mutant changes the records of a signed zone.
type mutant struct {
	t       testing.TB
	s       *testSigner
	records []Record
}

// owner returns the wire form of a name in example.org; "@" is the apex.
func ownerOf(t testing.TB, name string) []byte {
	t.Helper()
	if name == "@" {
		return exampleOrg
	}
	return lowered(parseZone(t, "example.org.", name+" 60 IN A 192.0.2.1\n")[0].Owner)
}

// hashedOwner returns the owner of a name's NSEC3 record.
func (m *mutant) hashedOwner(name string) []byte {
	return hashName(ownerOf(m.t, name), m.s.params()).owner(exampleOrg)
}

// set returns the records of a set.
func (m *mutant) set(owner []byte, typ uint16) []Record {
	var list []Record
	for _, r := range m.records {
		if r.Type == typ && bytes.Equal(lowered(r.Owner), owner) {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		m.t.Fatalf("no %s at %s", typeString(typ), nameString(owner))
	}
	return list
}

func (m *mutant) isSig(r Record, owner []byte, typ uint16) bool {
	return r.Type == typeRRSIG && bytes.Equal(lowered(r.Owner), owner) && be16(r.RData) == typ
}

// drop removes a set with its signatures; unsign removes only those.
func (m *mutant) drop(owner []byte, typ uint16) {
	m.set(owner, typ)
	m.unsign(owner, typ)
	m.records = slices.DeleteFunc(m.records, func(r Record) bool { return r.Type == typ && bytes.Equal(lowered(r.Owner), owner) })
}

func (m *mutant) unsign(owner []byte, typ uint16) {
	m.records = slices.DeleteFunc(m.records, func(r Record) bool { return m.isSig(r, owner, typ) })
}

// add adds a record; resign makes the set's signature anew.
func (m *mutant) add(r Record) {
	m.records = append(m.records, r)
	sortRecords(m.records)
}

func (m *mutant) resign(owner []byte, typ uint16) {
	m.unsign(owner, typ)
	m.add(m.s.rrsig(owner, m.set(owner, typ)))
}

// change edits the RDATA of a set's first record.
func (m *mutant) change(owner []byte, typ uint16, edit func(rdata []byte) []byte) {
	for i, r := range m.records {
		if r.Type == typ && bytes.Equal(lowered(r.Owner), owner) {
			m.records[i].RData = edit(bytes.Clone(r.RData))
			return
		}
	}
	m.t.Fatalf("no %s at %s", typeString(typ), nameString(owner))
}

// changeSig edits the RRSIG of a set.
func (m *mutant) changeSig(owner []byte, typ uint16, edit func(rdata []byte) []byte) {
	for i, r := range m.records {
		if m.isSig(r, owner, typ) {
			m.records[i].RData = edit(bytes.Clone(r.RData))
			return
		}
	}
	m.t.Fatalf("no signature over %s at %s", typeString(typ), nameString(owner))
}

// resignWith signs a set with what the signer is after edit.
func (m *mutant) resignWith(owner []byte, typ uint16, edit func(s *testSigner)) {
	was := *m.s
	edit(m.s)
	m.resign(owner, typ)
	*m.s = was
}

// A tool's verdict on a mutant that this package refuses.
const (
	refuses = iota
	accepts // the tool does not look at that
)

// mutation is a way to make a zone wrong.
type mutation struct {
	name  string
	nsec3 bool
	edit  func(m *mutant)
	want  []string // in the error
	bind  int      // verdict of dnssec-verify
	ldns  int      // verdict of ldns-verify-zone
}

var mutations = []mutation{
	{name: "missing signature", edit: func(m *mutant) { m.unsign(ownerOf(m.t, "mail"), 1) }, want: []string{"mail.example.org. A", "no signature of algorithm 15"}},
	{name: "missing NSEC", edit: func(m *mutant) { m.drop(ownerOf(m.t, "mail"), typeNSEC) }, want: []string{"mail.example.org. NSEC: missing"}},
	{name: "wrong next", edit: func(m *mutant) {
		o := ownerOf(m.t, "mail")
		m.change(o, typeNSEC, func(b []byte) []byte {
			_, bitmap, _ := splitNSEC(b)
			return append(bytes.Clone(ownerOf(m.t, "srv")), bitmap...)
		})
		m.resign(o, typeNSEC)
	}, want: []string{"mail.example.org. NSEC: points to srv.example.org.", "naptr.example.org. comes next"}},
	{name: "type missing in bitmap", edit: func(m *mutant) {
		o := ownerOf(m.t, "dn")
		m.change(o, typeNSEC, func(b []byte) []byte {
			next, _, _ := splitNSEC(b)
			return appendBitmap(bytes.Clone(next), []uint16{16, typeRRSIG, typeNSEC})
		})
		m.resign(o, typeNSEC)
	}, want: []string{"dn.example.org. NSEC: lists TXT RRSIG NSEC, there is TXT DNAME RRSIG NSEC"}, ldns: accepts},
	{name: "type too much in bitmap", edit: func(m *mutant) {
		o := ownerOf(m.t, "mail")
		m.change(o, typeNSEC, func(b []byte) []byte {
			next, _, _ := splitNSEC(b)
			return appendBitmap(bytes.Clone(next), []uint16{1, 16, typeRRSIG, typeNSEC})
		})
		m.resign(o, typeNSEC)
	}, want: []string{"mail.example.org. NSEC", "lists A TXT RRSIG NSEC"}, ldns: accepts},
	{name: "expired", edit: func(m *mutant) {
		m.resignWith(ownerOf(m.t, "mail"), 1, func(s *testSigner) { s.expiration = s.inception.Add(time.Minute) })
	}, want: []string{"mail.example.org. A: signature expires "}},
	{name: "inception in the future", edit: func(m *mutant) {
		m.resignWith(ownerOf(m.t, "mail"), 1, func(s *testSigner) { s.inception = s.expiration.Add(-time.Hour) })
	}, want: []string{"mail.example.org. A: signature not valid before "}},
	{name: "P1 another key with the same tag", edit: func(m *mutant) {
		m.resignWith(ownerOf(m.t, "mail"), 1, func(s *testSigner) { s.zsk = colliding() })
	}, want: []string{"mail.example.org. A: the signature by key", "does not verify"}},
	{name: "P2 two keys with one tag", edit: func(m *mutant) {
		m.add(Record{exampleOrg, typeDNSKEY, 3600, colliding().rdata})
		m.resign(exampleOrg, typeDNSKEY)
	}, want: []string{"example.org. DNSKEY: two keys with the tag"}, bind: accepts, ldns: accepts},
	{name: "unknown key", edit: func(m *mutant) {
		m.resignWith(ownerOf(m.t, "mail"), 1, func(s *testSigner) { s.zsk = newKey(99, 256) })
	}, want: []string{"mail.example.org. A: signed by key", "not in the DNSKEY set"}},
	{name: "wrong signer", edit: func(m *mutant) {
		m.changeSig(ownerOf(m.t, "mail"), 1, func(b []byte) []byte { b[19] = 'x'; return b })
	}, want: []string{"mail.example.org. A: signed by xxample.org."}},
	{name: "wrong labels", edit: func(m *mutant) {
		m.changeSig(ownerOf(m.t, "mail"), 1, func(b []byte) []byte { b[3]--; return b })
	}, want: []string{"mail.example.org. A: the signature is for 2 labels, not 3"}},
	{name: "TTL above original", edit: func(m *mutant) {
		for i, r := range m.records {
			if bytes.Equal(lowered(r.Owner), ownerOf(m.t, "srv")) {
				m.records[i].TTL = r.TTL + 1
			}
		}
	}, want: []string{"srv.example.org. SRV: TTL 3601, signed with 3600"}, ldns: accepts},
	{name: "uneven TTLs", edit: func(m *mutant) {
		for i, r := range m.records {
			if r.Type == 1 && bytes.Equal(lowered(r.Owner), ownerOf(m.t, "mail")) {
				m.records[i].TTL = r.TTL - 1
				break
			}
		}
	}, want: []string{"mail.example.org. A: records with different TTLs"}, bind: accepts, ldns: accepts},
	{name: "DS signed by a stranger", edit: func(m *mutant) {
		m.resignWith(ownerOf(m.t, "sec"), typeDS, func(s *testSigner) { s.zsk = newKey(99, 256) })
	}, want: []string{"sec.example.org. DS: signed by key"}},
	{name: "DS not signed", edit: func(m *mutant) { m.unsign(ownerOf(m.t, "sec"), typeDS) }, want: []string{"sec.example.org. DS: no signature"}},
	{name: "signature over glue", edit: func(m *mutant) { m.resign(ownerOf(m.t, "ns.sec"), 1) }, want: []string{"ns.sec.example.org. A: a signature over data that is not authoritative"}, bind: accepts},
	{name: "signature over a delegation", edit: func(m *mutant) { m.resign(ownerOf(m.t, "sec"), typeNS) }, want: []string{"sec.example.org. NS: a signature over data that is not authoritative"}, bind: accepts, ldns: accepts},
	{name: "NSEC below a delegation", edit: func(m *mutant) {
		o := ownerOf(m.t, "ns.sec")
		m.add(Record{o, typeNSEC, 300, append(bytes.Clone(o), 0, 1, 0x40)})
		m.resign(o, typeNSEC)
	}, want: []string{"ns.sec.example.org. NSEC: a signature over data"}},
	{name: "missing signature of an algorithm", edit: func(m *mutant) {
		m.add(Record{exampleOrg, typeDNSKEY, 3600, p256Key()})
		m.resign(exampleOrg, typeDNSKEY)
	}, want: []string{"example.org. DNSKEY: no signature of algorithm 13"}, bind: accepts, ldns: accepts},
	{name: "too many keys", edit: func(m *mutant) {
		for i := range byte(16) {
			m.add(Record{exampleOrg, typeDNSKEY, 3600, newKey(100+i, 256).rdata})
		}
		m.resign(exampleOrg, typeDNSKEY)
	}, want: []string{"example.org. DNSKEY: 18 keys, more than 16"}, bind: accepts, ldns: accepts},
	{name: "signature of a set that is gone", edit: func(m *mutant) {
		o := ownerOf(m.t, "mail")
		r := m.s.rrsig(o, []Record{{o, 16, 3600, []byte{1, 'x'}}})
		m.add(r)
	}, want: []string{"mail.example.org. TXT: a signature over a set that is not there"}, bind: accepts, ldns: accepts},
	{name: "changed data", edit: func(m *mutant) {
		m.change(ownerOf(m.t, "ns1"), 1, func(b []byte) []byte { b[3]++; return b })
	}, want: []string{"ns1.example.org. A: the signature by key", "does not verify"}},
	{name: "a name outside the chain", edit: func(m *mutant) {
		o := ownerOf(m.t, "new")
		m.add(Record{o, 1, 60, []byte{192, 0, 2, 1}})
		m.resign(o, 1)
	}, want: []string{"new.example.org. NSEC: missing"}},
	{name: "DNSKEY set not signed", edit: func(m *mutant) { m.unsign(exampleOrg, typeDNSKEY) }, want: []string{"example.org. DNSKEY: no signature of algorithm 15"}},
	{name: "DNSKEY set signed by a revoked key alone", edit: func(m *mutant) {
		was := m.s.ksk.rdata
		m.s.ksk = newKey(77, 257|1<<7)
		m.records = slices.DeleteFunc(m.records, func(r Record) bool { return r.Type == typeDNSKEY && bytes.Equal(r.RData, was) })
		m.add(Record{exampleOrg, typeDNSKEY, 3600, m.s.ksk.rdata})
		m.resign(exampleOrg, typeDNSKEY)
	}, want: []string{"example.org. DNSKEY: no signature of algorithm 15"}, ldns: accepts},
	{name: "P16 overlap: a removed name's NSEC is left", edit: func(m *mutant) {
		m.drop(ownerOf(m.t, "srv"), 33)
	}, want: []string{"srv.example.org. NSEC: at a name that owns nothing else"}, ldns: accepts},
	{name: "P16 overlap: the predecessor still covers a new name", edit: func(m *mutant) {
		o := ownerOf(m.t, "srv0")
		m.add(Record{o, 1, 60, []byte{192, 0, 2, 1}})
		m.resign(o, 1)
		next, _, _ := splitNSEC(m.set(ownerOf(m.t, "srv"), typeNSEC)[0].RData)
		m.add(Record{o, typeNSEC, 300, appendBitmap(bytes.Clone(next), []uint16{1, typeRRSIG, typeNSEC})})
		m.resign(o, typeNSEC)
	}, want: []string{"srv.example.org. NSEC: points to", "but srv0.example.org. comes next"}},

	{name: "NSEC3 of an empty non-terminal missing", nsec3: true, edit: func(m *mutant) {
		m.skip(m.hashedOwner("c.ent"))
	}, want: []string{"c.ent.example.org. NSEC3", "is missing"}, ldns: accepts},
	{name: "NSEC3 missing, chain not closed", nsec3: true, edit: func(m *mutant) {
		m.drop(m.hashedOwner("mail"), typeNSEC3)
	}, want: []string{"mail.example.org. NSEC3", "is missing"}},
	{name: "NSEC3 of an unsigned delegation missing without opt-out", nsec3: true, edit: func(m *mutant) {
		m.skip(m.hashedOwner("insec"))
	}, want: []string{"insec.example.org. NSEC3", "does not opt out"}, bind: accepts},
	{name: "P16 NSEC3 of a removed name", nsec3: true, edit: func(m *mutant) {
		m.drop(ownerOf(m.t, "srv"), 33)
	}, want: []string{"NSEC3: the hash of no name in the zone"}},
	{name: "NSEC3 wrong next", nsec3: true, edit: func(m *mutant) {
		o := m.hashedOwner("mail")
		m.change(o, typeNSEC3, func(b []byte) []byte { b[20] ^= 1; return b })
		m.resign(o, typeNSEC3)
	}, want: []string{"NSEC3: ", "points to"}},
	{name: "NSEC3 with another salt", nsec3: true, edit: func(m *mutant) {
		o := m.hashedOwner("mail")
		m.change(o, typeNSEC3, func(b []byte) []byte { return slices.Concat(b[:4], []byte{1, 0xaa}, b[5:]) })
		m.resign(o, typeNSEC3)
	}, want: []string{"NSEC3: other iterations or salt than NSEC3PARAM"}, ldns: accepts},
	{name: "NSEC3 bitmap", nsec3: true, edit: func(m *mutant) {
		o := m.hashedOwner("mail")
		m.change(o, typeNSEC3, func(b []byte) []byte { return appendBitmap(b[:26], []uint16{16, typeRRSIG}) })
		m.resign(o, typeNSEC3)
	}, want: []string{"mail.example.org. NSEC3: ", "lists TXT RRSIG, there is A RRSIG"}, ldns: accepts},
	{name: "NSEC in a zone with NSEC3", nsec3: true, edit: func(m *mutant) {
		o := ownerOf(m.t, "mail")
		m.add(Record{o, typeNSEC, 300, appendBitmap(bytes.Clone(exampleOrg), []uint16{1, typeRRSIG, typeNSEC})})
		m.resign(o, typeNSEC)
	}, want: []string{"mail.example.org. NSEC: in a zone with NSEC3"}, ldns: accepts},
	{name: "NSEC3 without NSEC3PARAM", nsec3: true, edit: func(m *mutant) {
		m.drop(exampleOrg, typeNSEC3PARAM)
	}, want: []string{"NSEC3: in a zone without NSEC3PARAM"}, ldns: accepts},
}

// skip takes an NSEC3 record out and closes the chain over it.
func (m *mutant) skip(owner []byte) {
	gone, _ := splitNSEC3(m.set(owner, typeNSEC3)[0].RData)
	h, _ := hashOwner(owner, exampleOrg)
	m.drop(owner, typeNSEC3)
	for i, r := range m.records {
		if r.Type != typeNSEC3 {
			continue
		}
		if x, _ := splitNSEC3(r.RData); x.next == h {
			m.records[i].RData = slices.Concat(x.params, []byte{20}, gone.next[:], x.bitmap)
			m.resign(r.Owner, typeNSEC3)
			return
		}
	}
}

// p256Key returns the DNSKEY RDATA of RFC 6605 section 6.1.
func p256Key() []byte {
	point, err := base64.StdEncoding.DecodeString("GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==")
	if err != nil {
		panic(err)
	}
	return append([]byte{1, 1, 3, 13}, point...)
}

// TestZone_RefusesMutations: each mutant is refused with an error that names the
// record, and the tools that look at such a thing refuse it too.
func TestZone_RefusesMutations(t *testing.T) {
	tools := installed(t, "dnssec-verify", "ldns-verify-zone")
	for _, mu := range mutations {
		t.Run(mu.name, func(t *testing.T) {
			s := newSigner()
			s.nsec3 = mu.nsec3
			s.inception, s.expiration = time.Now().Add(-time.Hour).Truncate(time.Second), time.Now().Add(240*time.Hour).Truncate(time.Second)
			m := &mutant{t, s, s.sign(parseZone(t, "example.org.", corners))}
			if _, err := Zone(exampleOrg, slices.Values(m.records), options()); err != nil {
				t.Fatal(err)
			}
			mu.edit(m)
			_, err := Zone(exampleOrg, slices.Values(m.records), options())
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range mu.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want %q in it", err, want)
				}
			}
			if tools {
				compareTools(t, mu, m.records)
			}
		})
	}
}

// compareTools asks dnssec-verify and ldns-verify-zone.
func compareTools(t *testing.T, mu mutation, records []Record) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir, "zone", zoneText(records))
	for _, tool := range []struct {
		args []string
		want int
	}{
		{[]string{"dnssec-verify", "-q", "-o", "example.org", "zone"}, mu.bind},
		{[]string{"ldns-verify-zone", "zone"}, mu.ldns},
	} {
		out, err := run(t, dir, tool.args[0], tool.args[1:]...)
		if (err == nil) != (tool.want == accepts) {
			t.Errorf("%s says %v\n%s", tool.args[0], err, out)
		}
	}
}

// few is a small zone with each kind of name.
const few = `@ 3600 IN SOA ns1 hostmaster 1 2 3 4 300
@ 3600 IN NS ns1
ns1 60 IN A 192.0.2.1
*.w 60 IN TXT "wildcard"
a.ent 60 IN CNAME ns1
sec 60 IN NS ns.sec
sec 60 IN DS 12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
ns.sec 60 IN A 192.0.2.8
insec 60 IN NS ns1
dn 60 IN DNAME other.example.net.
`

// TestZone_RefusesEveryFlippedOctet: no octet of what is signed can change.
func TestZone_RefusesEveryFlippedOctet(t *testing.T) {
	for name, set := range denials {
		s := newSigner()
		set(s)
		s.fake = true
		records := s.sign(parseZone(t, "example.org.", few))
		plain := newPlainZone(records)
		o := fakes()
		for i, r := range records {
			if !protected(plain, r, s.origin) {
				continue
			}
			for k := range r.RData {
				for _, bit := range []byte{1, 0x80} {
					records[i].RData = bytes.Clone(r.RData)
					records[i].RData[k] ^= bit
					if _, err := Zone(exampleOrg, slices.Values(records), o); err == nil {
						t.Errorf("%s: octet %d of %s may be %#02x", name, k, rrString(r), records[i].RData[k])
					}
				}
			}
			records[i] = r
		}
	}
}

// protected reports whether a record is signed, a signature or an owner's chain.
func protected(z *plainZone, r Record, origin []byte) bool {
	name := string(lowered(r.Owner))
	cut := z.sets[name][typeNS] != nil && name != string(origin)
	return !z.hidden(name, origin) && (!cut || r.Type != typeNS)
}

// colliding returns a key with the tag of newSigner's zone signing key, found by trying.
func colliding() testKey {
	var seed [ed25519.SeedSize]byte
	binary.BigEndian.PutUint64(seed[:], 33222)
	private := ed25519.NewKeyFromSeed(seed[:])
	rdata := append([]byte{1, 0, 3, 15}, private.Public().(ed25519.PublicKey)...)
	return testKey{private, rdata, keyTag(rdata)}
}
