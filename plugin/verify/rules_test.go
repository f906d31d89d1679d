package verify

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCompare_CanonicalOrder is the list of RFC 4034 section 6.1, with what
// octets do to it.
func TestCompare_CanonicalOrder(t *testing.T) {
	names := []string{"\x07example\x00", "\x01a\x07example\x00", "\x08yljkjljk\x01a\x07example\x00", "\x01z\x01a\x07example\x00",
		"\x04zabc\x01a\x07example\x00", "\x01z\x07example\x00", "\x01\x00\x01z\x07example\x00", "\x01\x01\x01z\x07example\x00",
		"\x01*\x01z\x07example\x00", "\x01\xc8\x01z\x07example\x00", "\x02z\x00\x07example\x00"}
	for i := range names {
		for k := range names {
			want := 0
			if i < k {
				want = -1
			} else if i > k {
				want = 1
			}
			if got := compare([]byte(names[i]), []byte(names[k])); got != want {
				t.Errorf("compare(%q, %q) = %d, want %d", names[i], names[k], got, want)
			}
		}
	}
}

// signedCorners returns a zone signed by a signer that edit may change.
func signedCorners(t *testing.T, edit func(s *testSigner)) (*testSigner, []Record) {
	t.Helper()
	s := newSigner()
	edit(s)
	return s, s.sign(parseZone(t, "example.org.", few))
}

// TestZone_Options: what the zone alone does not tell.
func TestZone_Options(t *testing.T) {
	other := newKey(50, 256)
	signer, plain := signedCorners(t, func(*testSigner) {})
	digest := sha256.Sum256(append(slices.Clone(exampleOrg), signer.ksk.rdata...))
	ds := slices.Concat([]byte{byte(signer.ksk.tag >> 8), byte(signer.ksk.tag), 15, 2}, digest[:])
	wrongDS := slices.Concat(ds[:len(ds)-1], []byte{ds[len(ds)-1] ^ 1})
	otherAlgorithm := slices.Concat(ds[:2], []byte{13}, ds[3:])
	announced := (&mutant{t, signer, slices.Clone(plain)})
	announced.resignWith(exampleOrg, typeNS, func(s *testSigner) { s.zsk = other })
	cds := &mutant{t, signer, slices.Clone(plain)}
	cds.add(Record{exampleOrg, typeCDS, 3600, ds})
	cds.change(exampleOrg, typeNSEC, func(b []byte) []byte {
		next, _, _ := splitNSEC(b)
		return appendBitmap(slices.Clone(next), []uint16{typeNS, typeSOA, typeRRSIG, typeNSEC, typeDNSKEY, typeCDS})
	})
	cds.resign(exampleOrg, typeNSEC)
	cds.resignWith(exampleOrg, typeCDS, func(s *testSigner) { s.ksk = s.zsk })
	stop := errors.New("no more")
	for _, test := range []struct {
		name    string
		records []Record
		edit    func(o *Options)
		want    string // "" accepts
	}{
		{"plain", plain, func(*Options) {}, ""},
		{"the parent's DS", plain, func(o *Options) { o.DS = [][]byte{ds} }, ""},
		{"P5 a DS of no key", plain, func(o *Options) { o.DS = [][]byte{wrongDS} }, "example.org. DNSKEY: no signature by a key that a DS of algorithm 15"},
		{"one DS of several", plain, func(o *Options) { o.DS = [][]byte{wrongDS, ds} }, ""},
		{"P6 a DS of another algorithm", plain, func(o *Options) { o.DS = [][]byte{ds, otherAlgorithm} }, "a DS of algorithm 13"},
		{"a key that is not published", announced.records, func(*Options) {}, "example.org. NS: signed by key"},
		{"a key that is announced", announced.records, func(o *Options) { o.Announced = [][]byte{other.rdata} }, ""},
		{"P2 an announced key with the tag of another", plain, func(o *Options) { o.Announced = [][]byte{colliding().rdata} }, "two keys with the tag"},
		{"P1 an announced key is not taken for another", announced.records, func(o *Options) { o.Announced = [][]byte{newKey(51, 256).rdata} }, "not in the DNSKEY set"},
		{"CDS signed by the zone signing key", cds.records, func(*Options) {}, "example.org. CDS: not signed by a key that signs the DNSKEY set"},
		{"CDS where key signing keys are elsewhere", cds.records, func(o *Options) { o.ZSKOnly = true }, ""},
		{"too many keys", plain, func(o *Options) { o.MaxKeys = 1 }, "2 keys, more than 1"},
		{"enough time left", plain, func(o *Options) { o.Remaining = 13 * 24 * time.Hour }, ""},
		{"too little time left", plain, func(o *Options) { o.Remaining = 15 * 24 * time.Hour }, "signature expires 2026-03-15T12:00:00Z"},
		{"before inception", plain, func(o *Options) { o.Now = now.Add(-2 * time.Hour) }, "signature not valid before 2026-03-01T11:00:00Z"},
		{"the caller stops", plain, func(o *Options) { o.Signatures = func(Check) error { return stop } }, "no more"},
		{"no records", nil, func(*Options) {}, "example.org. SOA: no records"},
		{"no apex", plain[len(plain)-4:], func(*Options) {}, "the first record must be at the apex"},
		{"out of order", append(slices.Clone(plain), Record{ownerOf(t, "a"), 1, 60, []byte{192, 0, 2, 1}}), func(*Options) {}, "a.example.org.: out of canonical order"},
		{"out of the zone", append(slices.Clone(plain), Record{[]byte("\x03net\x00"), 1, 60, []byte{192, 0, 2, 1}}), func(*Options) {}, "net.: not in the zone"},
	} {
		o := at()
		test.edit(&o)
		_, err := Zone(exampleOrg, slices.Values(test.records), o)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want %q in it", test.name, err, test.want)
		}
	}
}

// TestZone_SignaturesElsewhere: a cloned Check may be verified later.
func TestZone_SignaturesElsewhere(t *testing.T) {
	_, records := signedCorners(t, func(*testSigner) {})
	o := at()
	var checks []Check
	o.Signatures = func(c Check) error {
		checks = append(checks, c.Clone())
		return nil
	}
	report, err := Zone(exampleOrg, slices.Values(records), o)
	if err != nil || report.Signatures != len(checks) {
		t.Fatalf("%d checks, %+v, %v", len(checks), report, err)
	}
	if want := now.Add(14 * 24 * time.Hour); !report.FirstExpiry.Equal(want) {
		t.Errorf("first expiry %v, want %v", report.FirstExpiry, want)
	}
	for _, c := range checks {
		if err := c.Verify(); err != nil {
			t.Error(err)
		}
		c.set[len(c.set)-1] ^= 1
		if err := c.Verify(); err == nil {
			t.Errorf("%s %s: accepted with another record", nameString(c.Owner), typeString(c.Type))
		}
	}
}

// TestChanges_LeavesToZone: what concerns every name.
func TestChanges_LeavesToZone(t *testing.T) {
	_, records := signedCorners(t, func(*testSigner) {})
	for name, edit := range map[string]func(s *testSigner, records *[]Record){
		"a key is gone":    func(s *testSigner, _ *[]Record) { s.zsk = newKey(60, 256) },
		"NSEC3 for NSEC":   func(s *testSigner, _ *[]Record) { s.nsec3 = true },
		"negative TTL":     func(_ *testSigner, r *[]Record) { (*r)[0].RData[len((*r)[0].RData)-1]++ },
		"a new algorithm":  func(_ *testSigner, r *[]Record) { *r = append(*r, Record{exampleOrg, typeDNSKEY, 3600, p256Key()}) },
		"opt-out for NSEC": func(s *testSigner, _ *[]Record) { s.nsec3, s.optOut = true, true },
		"another salt":     func(s *testSigner, _ *[]Record) { s.nsec3, s.salt = true, []byte{1} },
		"an announced key": func(*testSigner, *[]Record) {},
	} {
		s := newSigner()
		unsigned := parseZone(t, "example.org.", few)
		edit(s, &unsigned)
		u := Update{Old: newView(exampleOrg, records), New: newView(exampleOrg, s.sign(unsigned)), WasAnnounced: [][]byte{newKey(70, 256).rdata}}
		if name != "an announced key" {
			u.WasAnnounced = nil
		}
		u.Changed = slices.Values([][]byte{exampleOrg})
		if _, err := Changes(exampleOrg, u, at()); !errors.Is(err, ErrWhole) {
			t.Errorf("%s: %v, want %v", name, err, ErrWhole)
		}
	}
}

// TestChanges_NewKeyOfTheSameAlgorithm needs no look at other names.
func TestChanges_NewKeyOfTheSameAlgorithm(t *testing.T) {
	s, records := signedCorners(t, func(*testSigner) {})
	m := &mutant{t, s, slices.Clone(records)}
	m.add(Record{exampleOrg, typeDNSKEY, 3600, newKey(80, 256).rdata})
	m.resign(exampleOrg, typeDNSKEY)
	u := Update{Old: newView(exampleOrg, records), New: newView(exampleOrg, m.records), Changed: slices.Values([][]byte{exampleOrg})}
	if report, err := Changes(exampleOrg, u, at()); err != nil || report.Names != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}
