package sign

import (
	"crypto/sha256"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/zone"
)

func insecure(z *zone.Zone, prev *zone.Signed) Input {
	return Input{Zone: z, Unsigned: true, Now: now, Previous: prev, Denial: policy.Denial{NSEC3: true}}
}

func TestUnsigned_IsTheSourceWithASerial(t *testing.T) {
	in := input(t, build(t, "example.org", rollText, nil), policy.ED25519)
	for name, z := range map[string]*zone.Zone{
		"plain": in.Zone, "a source with DNSKEY records": presigned(t, input(t, in.Zone, policy.ED25519)),
	} {
		t.Run(name, func(t *testing.T) {
			s, made := signed(t, insecure(z, nil))
			var got, want []string
			for _, r := range flat(s) {
				got = append(got, rr(t, r).String())
			}
			for r := range z.Records() {
				text := rr(t, r).String()
				if r.Type == zone.TypeSOA {
					text = strings.Replace(text, " 1 7200 ", " 7 7200 ", 1)
				}
				want = append(want, text)
			}
			if !slices.Equal(got, want) {
				t.Errorf("records\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if made != 0 || s.Signatures != 0 || len(s.Keys) != 0 || s.NSEC3 != nil || !s.Unsigned || s.HasNSEC() {
				t.Errorf("%d signatures made, zone %+v", made, s)
			}
			if s.Expiry != zone.Never || s.Due != zone.Never || time.Unix(zone.Never, 0).UTC().Year() != 9999 {
				t.Errorf("expiry %d, due %d", s.Expiry, s.Due)
			}
			if out, err := exec.CommandContext(t.Context(), "kzonecheck", "-o", "example.org.", writeZone(t, s)).CombinedOutput(); err != nil {
				t.Errorf("kzonecheck: %v\n%s", err, out)
			}
			if out, err := exec.CommandContext(t.Context(), "named-checkzone", "example.org.", writeZone(t, s)).CombinedOutput(); err != nil {
				t.Errorf("named-checkzone: %v\n%s", err, out)
			}
		})
	}
}

func TestUnsigned_OnlyByOrder(t *testing.T) {
	in := input(t, build(t, "example.org", rollText, nil), policy.ED25519)
	full, _ := signed(t, in)
	plain, _ := signed(t, insecure(in.Zone, nil))
	tests := []struct {
		name     string
		s        *zone.Signed
		unsigned bool
		want     string
	}{
		{"signed, to be signed", full, false, ""},
		{"unsigned, to be unsigned", plain, true, ""},
		{"unsigned, to be signed", plain, false, "there must be DNSKEY records at the apex"},
		{"signed, to be unsigned", full, true, "in a zone that is not signed"},
	}
	for _, tc := range tests {
		report, err := verify.Zone(tc.s.Origin(), records(flat(tc.s)), verify.Options{Now: now, Unsigned: tc.unsigned})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
		if tc.unsigned && tc.want == "" && (!report.FirstExpiry.IsZero() || report.Names != 7 || report.Records != 9) {
			t.Errorf("report %+v", report)
		}
	}
}

func TestUnsigned_NothingOfKeysMayBeGiven(t *testing.T) {
	full := input(t, build(t, "example.org", rollText, nil), policy.ED25519)
	for name, change := range map[string]func(*Input){
		"keys":        func(in *Input) { in.Keys = full.Keys },
		"generations": func(in *Input) { in.Generations = full.Generations },
		"signers":     func(in *Input) { in.DNSKEYSigners = []int{0} },
		"CDS":         func(in *Input) { in.CDS = [][]byte{key.DeleteCDS()} },
		"CDNSKEY":     func(in *Input) { in.CDNSKEY = [][]byte{key.DeleteCDNSKEY()} },
		"ZSK-only":    func(in *Input) { in.ZSKOnly = true },
	} {
		in := insecure(full.Zone, nil)
		change(&in)
		if _, err := NewPlan(in); err == nil || !strings.Contains(err.Error(), "an unsigned zone has neither keys") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnsigned_AnEditCostsItsBlock(t *testing.T) {
	z := bigZone(t, 6000, "www 3600 A 192.0.2.2\n", nil)
	first, _ := signed(t, insecure(z, nil))
	same, _ := signed(t, insecure(z, first))
	if same.Digest != first.Digest {
		t.Error("another digest with nothing changed")
	}
	if blocks, _ := unshared(first, same); blocks != 1 {
		t.Errorf("%d blocks were made anew with nothing changed, want the apex", blocks)
	}
	changed, _ := signed(t, insecure(bigZone(t, 6000, "www 3600 A 192.0.2.3\n", z), first))
	if blocks, _ := unshared(first, changed); blocks != 2 || changed.Digest == first.Digest {
		t.Errorf("%d blocks were made anew for one record, want two", blocks)
	}
}

// Going insecure and coming back are versions like others.
func TestUnsigned_ThereAndBack(t *testing.T) {
	for _, d := range denials[:2] {
		in := newWorld(t).in
		in.Zone, in.Denial = bigZone(t, 3000, "sub NS ns\nsub DS 1 13 2 "+strings.Repeat("00", 32)+"\n", nil), d
		full, total := signed(t, in)
		plain, made := signed(t, insecure(in.Zone, full))
		scratch, _ := signed(t, insecure(in.Zone, nil))
		equalSigned(t, "gone insecure", plain, scratch)
		if made != 0 || plain.Digest == full.Digest {
			t.Errorf("%d signatures made, or the same digest", made)
		}
		in.Previous = plain
		again, made := signed(t, in)
		equalSigned(t, "back", again, full)
		if made != total {
			t.Errorf("%d of %d signatures made", made, total)
		}
	}
}

// RFC 8078 section 4.
func TestSign_TheDeleteRecordsAreSignedLikeOthers(t *testing.T) {
	in := input(t, build(t, "example.org", rollText, nil), policy.ECDSAP256SHA256)
	in.Now = time.Now()
	in.CDS, in.CDNSKEY = [][]byte{key.DeleteCDS()}, [][]byte{key.DeleteCDNSKEY()}
	s, _ := signed(t, in)
	if got := apexSigners(s); got != "DNSKEY 0, CDS 0, CDNSKEY 0" {
		t.Errorf("signed by %s", got)
	}
	judgeVersion(t, in, s, dsOf(t, in.Keys[0])...)
	in.CDS = append(in.CDS, dsOf(t, in.Keys[0])...)
	s, _ = signed(t, in)
	if err := verifyVersion(in, s); err == nil || !strings.Contains(err.Error(), "the delete record stands beside others") {
		t.Errorf("verify of a delete record beside others: %v", err)
	}
}

// RFC 5011 section 2.1: the key is published with the revoke bit, and signs the
// DNSKEY set with the tag that follows from it. What the parent is told is none
// of its business any more.
func TestSign_ARevokedKeySignsTheDNSKEYSetAlone(t *testing.T) {
	for _, alg := range []policy.Algorithm{policy.RSASHA256, policy.ECDSAP256SHA256, policy.ED25519} {
		t.Run(alg.String(), func(t *testing.T) {
			in := input(t, build(t, "example.org", rollText, nil), alg)
			in.Now = time.Now()
			in.Keys = append(in.Keys, newKey(t, policy.KSK, alg, "new"))
			old := in.Keys[0]
			in.Keys[0] = revoked(t, old)
			in.DNSKEYSigners = []int{0, 2}
			in.CDS, in.CDNSKEY = dsOf(t, in.Keys[2]), [][]byte{in.Keys[2].DNSKEY}
			s, _ := signed(t, in)
			if got := apexSigners(s); got != "DNSKEY 0 2, CDS 2, CDNSKEY 2" {
				t.Errorf("signed by %s", got)
			}
			judgeVersion(t, in, s, dsOf(t, in.Keys[2])...)
			if err := verifyVersion(in, s, dsOf(t, in.Keys[0])...); err == nil {
				t.Error("verify takes a revoked key for an anchor")
			}
			checkRevokedSignature(t, s, in.Keys[0])
			if in.Keys[0].Tag == old.Tag || in.Keys[0].ID != sha256.Sum256(in.Keys[0].DNSKEY) {
				t.Errorf("the revoked key is %+v", in.Keys[0].SigningKey)
			}
		})
	}
}

// checkRevokedSignature has another library verify what a revoked key signed.
func checkRevokedSignature(t *testing.T, s *zone.Signed, k Key) {
	t.Helper()
	var set []dns.RR
	var by *dns.RRSIG
	var revoked *dns.DNSKEY
	for _, r := range flat(s) {
		switch r := rr(t, r).(type) {
		case *dns.DNSKEY:
			set = append(set, r)
			if r.Flags&dns.REVOKE != 0 {
				revoked = r
			}
		case *dns.RRSIG:
			if r.TypeCovered == dns.TypeDNSKEY && r.KeyTag == k.Tag {
				by = r
			}
		}
	}
	if by == nil || revoked == nil || revoked.KeyTag() != k.Tag || len(set) != 3 {
		t.Fatalf("DNSKEY set %v, signature %v", set, by)
	}
	if err := by.Verify(revoked, set); err != nil {
		t.Errorf("%v: %v", by, err)
	}
}

func TestNewPlan_ARevokedKeyDoesNothingElse(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Input)
		want   string
	}{
		{"signs the zone", func(in *Input) { in.Generations[0].ZoneSigners = []int{2} }, "is revoked and cannot sign the zone"},
		{"signs DNSKEY alone", func(in *Input) { in.DNSKEYSigners = []int{2} }, "all keys that sign the DNSKEY set are revoked"},
		{"does not sign DNSKEY", func(in *Input) { in.DNSKEYSigners = []int{0} }, "is revoked and does not sign the DNSKEY set"},
	}
	for _, tc := range tests {
		in := input(t, build(t, "example.org", apex, nil), policy.ED25519)
		in.Keys = append(in.Keys, revoked(t, newKey(t, policy.KSK, policy.ED25519, "old")))
		in.DNSKEYSigners = []int{0, 2}
		tc.change(&in)
		if _, err := NewPlan(in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// A foreign key may be of an algorithm that is not signed with here. It is in
// the DNSKEY set as it came; verify then misses its signatures.
func TestSign_AForeignKeyOfAnotherAlgorithmIsPublished(t *testing.T) {
	in := input(t, build(t, "example.org", apex, nil), policy.ED25519)
	foreign := key.Key{Role: policy.KSK, Algorithm: 16, Flags: 257, Public: slices.Repeat([]byte{7}, 57)}
	foreign.Tag = key.Tag(foreign.DNSKEY())
	in.Keys = append(in.Keys, NewKey(foreign, true, nil))
	s, _ := signed(t, in)
	set, _ := s.ApexSet(zone.TypeDNSKEY)
	if set.Count != 3 || !slices.ContainsFunc(slices.Collect(set.RData), func(rd []byte) bool { return string(rd) == string(foreign.DNSKEY()) }) {
		t.Errorf("%d DNSKEY records", set.Count)
	}
	if err := verifyVersion(in, s); err == nil || !strings.Contains(err.Error(), "algorithm 16 is not supported") {
		t.Errorf("verify: %v", err)
	}
	in.DNSKEYSigners = []int{0, 2}
	if _, err := NewPlan(in); err == nil || !strings.Contains(err.Error(), "is not at hand") {
		t.Errorf("signing with it: %v", err)
	}
}
