package verify

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// dsOf returns the DS or CDS RDATA of a key.
func dsOf(k testKey) []byte {
	digest := sha256.Sum256(append(bytes.Clone(exampleOrg), k.rdata...))
	return slices.Concat([]byte{byte(k.tag >> 8), byte(k.tag), 15, 2}, digest[:])
}

// revoke returns a key in the form in which it revokes itself.
func revoke(k testKey) testKey {
	k.rdata = bytes.Clone(k.rdata)
	k.rdata[1] |= flagRevoke
	k.tag = keyTag(k.rdata)
	return k
}

// judged judges a zone with further records at the apex.
func judged(t *testing.T, s *testSigner, more []Record, edit func(m *mutant), o Options) error {
	t.Helper()
	m := &mutant{t, s, s.sign(append(parseZone(t, "example.org.", few), more...))}
	if edit != nil {
		edit(m)
	}
	_, err := Zone(exampleOrg, slices.Values(m.records), o)
	return err
}

func expect(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: error %v, want %q in it", name, err, want)
	}
}

// RFC 7344 sections 4 and 4.1, RFC 8078 section 4.
func TestZone_WhatTheParentIsTold(t *testing.T) {
	s := newSigner()
	cds := func(rdata ...[]byte) (list []Record) {
		for _, rd := range rdata {
			list = append(list, Record{exampleOrg, typeCDS, 60, rd})
		}
		return list
	}
	cdnskey := func(rdata ...[]byte) (list []Record) {
		for _, rd := range rdata {
			list = append(list, Record{exampleOrg, typeCDNSKEY, 60, rd})
		}
		return list
	}
	stranger := newKey(9, 257)
	sha384 := bytes.Clone(dsOf(s.ksk))
	sha384[3] = 4
	const noDS, noKey = "\x00\x00\x00\x00\x00", "\x00\x00\x03\x00\x00"
	for _, test := range []struct {
		name    string
		records []Record
		want    string // "" accepts
	}{
		{"nothing", nil, ""},
		{"CDS", cds(dsOf(s.ksk)), ""},
		{"CDNSKEY", cdnskey(s.ksk.rdata), ""},
		{"both", append(cds(dsOf(s.ksk)), cdnskey(s.ksk.rdata)...), ""},
		{"the wish for no DS", append(cds([]byte(noDS)), cdnskey([]byte(noKey))...), ""},
		{"the wish for no DS as CDS alone", cds([]byte(noDS)), ""},
		{"P5 CDS of no key", cds(dsOf(stranger)), "CDS: names a key that is not in the DNSKEY set"},
		{"P5 CDNSKEY of no key", cdnskey(stranger.rdata), "CDNSKEY: names a key that is not in the DNSKEY set"},
		{"P5 CDS of a key and of none", cds(dsOf(s.ksk), dsOf(stranger)), "CDS: names a key that is not in the DNSKEY set"},
		{"a wrong digest", cds(sha384), "CDS: names a key that is not in the DNSKEY set"},
		{"malformed", cds([]byte{1, 2}), "CDS: names a key that is not in the DNSKEY set"},
		{"different keys", append(cds(dsOf(s.ksk)), cdnskey(s.zsk.rdata)...), "which CDNSKEY does not"},
		{"the wish for no DS beside a key", cds(dsOf(s.ksk), []byte(noDS)), "CDS: the delete record stands beside others"},
		{"the wish for no CDNSKEY beside a key", cdnskey(s.ksk.rdata, []byte(noKey)), "CDNSKEY: the delete record stands beside others"},
		{"one wish of two", append(cds([]byte(noDS)), cdnskey(s.ksk.rdata)...), "CDS: the delete record, but CDNSKEY names keys"},
		{"the other wish of two", append(cds(dsOf(s.ksk)), cdnskey([]byte(noKey))...), "CDNSKEY: the delete record, but CDS names keys"},
		{"nearly the wish for no DS", cds([]byte(noDS + "\x00")), "names a key that is not in the DNSKEY set"},
	} {
		expect(t, test.name, judged(t, s, test.records, nil, at()), test.want)
	}
}

// RFC 5011 section 2.1.
func TestZone_ARevokedKey(t *testing.T) {
	s := newSigner()
	old := newKey(9, 257)
	gone := revoke(old)
	published := Record{exampleOrg, typeDNSKEY, 3600, gone.rdata}
	itself := func(m *mutant) {
		ksk := m.s.ksk
		m.s.ksk = gone
		m.add(m.s.rrsig(exampleOrg, m.set(exampleOrg, typeDNSKEY)))
		m.s.ksk = ksk
	}
	withDS := func(ds ...[]byte) Options { return Options{Now: now, DS: ds} }
	for _, test := range []struct {
		name    string
		records []Record
		edit    func(m *mutant)
		o       Options
		want    string // "" accepts
	}{
		{"has signed the DNSKEY set", []Record{published}, itself, at(), ""},
		{"has not signed it", []Record{published}, nil, at(), "has not signed it (RFC 5011 section 2.1)"},
		{"of a DNSKEY set that is made elsewhere", []Record{published}, nil, Options{Now: now, ZSKOnly: true}, ""},
		{"is no anchor", []Record{published}, itself, withDS(dsOf(gone)), "no signature by a key that a DS of algorithm 15"},
		{"is none in its former form", []Record{published}, itself, withDS(dsOf(old)), "no signature by a key that a DS of algorithm 15"},
		{"beside an anchor", []Record{published}, itself, withDS(dsOf(old), dsOf(s.ksk)), ""},
		{"in CDS", []Record{published, {exampleOrg, typeCDS, 60, dsOf(gone)}}, itself, at(), "CDS: names a key that is not in the DNSKEY set, or is revoked"},
		{"in CDNSKEY", []Record{published, {exampleOrg, typeCDNSKEY, 60, gone.rdata}}, itself, at(), "CDNSKEY: names a key that is not in the DNSKEY set, or is revoked"},
		{"P2 beside its former form", []Record{published, {exampleOrg, typeDNSKEY, 3600, old.rdata}}, itself, at(), "two keys with the tag"},
		{"has signed another set", []Record{published}, func(m *mutant) {
			itself(m)
			m.s.zsk = gone
			m.resign(exampleOrg, typeNS)
			m.s.zsk = s.zsk
		}, at(), "NS: signed by the revoked key"},
	} {
		signer := *s
		expect(t, test.name, judged(t, &signer, test.records, test.edit, test.o), test.want)
	}
}

// A zone that is insecure on purpose has nothing that a validator, or a parent
// that polls CDS, could take for more.
func TestZone_Unsigned(t *testing.T) {
	s := newSigner()
	plain := parseZone(t, "example.org.", few)
	o := Options{Now: now, Unsigned: true}
	report, err := Zone(exampleOrg, slices.Values(dedupe(plain)), o)
	if err != nil || report.Signatures != 0 || !report.FirstExpiry.IsZero() || report.Names != 8 {
		t.Fatalf("%+v, %v", report, err)
	}
	if _, err := Zone(exampleOrg, slices.Values(plain), at()); err == nil {
		t.Error("accepted where the zone is to be signed")
	}
	mail := ownerOf(t, "ns1")
	for name, more := range map[string]Record{
		"DNSKEY":     {exampleOrg, typeDNSKEY, 60, s.ksk.rdata},
		"RRSIG":      s.rrsig(mail, []Record{{mail, 1, 60, []byte{192, 0, 2, 1}}}),
		"NSEC":       {mail, typeNSEC, 60, appendBitmap(bytes.Clone(exampleOrg), []uint16{1})},
		"NSEC3":      {hashName(mail, s.params()).owner(exampleOrg), typeNSEC3, 60, append(append(s.params(), 20), make([]byte, 20)...)},
		"NSEC3PARAM": {exampleOrg, typeNSEC3PARAM, 60, s.params()},
		"CDS":        {exampleOrg, typeCDS, 60, dsOf(s.ksk)},
		"CDNSKEY":    {exampleOrg, typeCDNSKEY, 60, s.ksk.rdata},
	} {
		records := append(slices.Clone(plain), more)
		sortRecords(records)
		_, err := Zone(exampleOrg, slices.Values(records), o)
		expect(t, name, err, name+": in a zone that is not signed")
	}
	for name, edit := range map[string]struct {
		text, want string
	}{
		"CNAME beside data":       {few + "a.ent 60 IN A 192.0.2.1\n", "a CNAME beside other data"},
		"DS without a delegation": {few + "ns1 60 IN DS 1 13 2 00\n", "a DS without a delegation"},
		"no NS":                   {strings.Replace(few, "@ 3600 IN NS ns1\n", "", 1), "there must be NS records at the apex"},
	} {
		records := parseZone(t, "example.org.", edit.text)
		sortRecords(records)
		_, err := Zone(exampleOrg, slices.Values(records), o)
		expect(t, name, err, edit.want)
	}
}

// Edits of an unsigned zone are judged like the whole; what makes it a signed
// one, or an unsigned one of that, is left to Zone.
func TestChanges_Unsigned(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	o := Options{Now: now, Unsigned: true}
	s := newSigner()
	s.fake = true
	for n := range 100 {
		records := dedupe(randomZone(r, n%20))
		was := newView(exampleOrg, records)
		for range 6 {
			records = dedupe(edit(r, records))
			sortRecords(records)
			version := slices.Clone(records)
			if r.IntN(4) == 0 {
				version = append(version, Record{exampleOrg, typeCDS, 60, dsOf(s.ksk)})
				sortRecords(version)
			}
			is := newView(exampleOrg, version)
			u := Update{Old: was, New: is, Changed: slices.Values(changedOwners(was, is))}
			_, err := Changes(exampleOrg, u, o)
			_, whole := Zone(exampleOrg, slices.Values(version), o)
			if (err == nil) != (whole == nil) {
				t.Fatalf("zone %d: Zone says %v, Changes %v\n%s", n, whole, err, zoneText(version))
			}
			if err != nil {
				continue
			}
			was = is
		}
		signed := newView(exampleOrg, s.sign(records))
		u := Update{Old: newView(exampleOrg, records), New: signed}
		u.Changed = slices.Values(changedOwners(u.Old.(*mapView), signed))
		if _, err := Changes(exampleOrg, u, fakes()); !errors.Is(err, ErrWhole) {
			t.Fatalf("zone %d: signed again: %v, want %v", n, err, ErrWhole)
		}
		u.Old, u.New = u.New, u.Old
		if _, err := Changes(exampleOrg, u, o); !errors.Is(err, ErrWhole) {
			t.Fatalf("zone %d: gone insecure: %v, want %v", n, err, ErrWhole)
		}
	}
}

// The views of a zone have one parent: CDS may name keys of another view, but not
// of that alone.
func TestZone_KeysOfOtherViewsInCDS(t *testing.T) {
	s := newSigner()
	other := newKey(9, 257)
	theirs := []Record{{exampleOrg, typeCDS, 60, dsOf(other)}, {exampleOrg, typeCDNSKEY, 60, other.rdata}}
	both := append([]Record{{exampleOrg, typeCDS, 60, dsOf(s.ksk)}, {exampleOrg, typeCDNSKEY, 60, s.ksk.rdata}}, theirs...)
	beside := Options{Now: now, Beside: [][]byte{other.rdata}}
	expect(t, "beside ours", judged(t, s, both, nil, beside), "")
	expect(t, "P5 not known", judged(t, s, both, nil, at()), "names a key that is not in the DNSKEY set")
	expect(t, "P5 alone", judged(t, s, theirs, nil, beside), "names no key of the DNSKEY set")
}
