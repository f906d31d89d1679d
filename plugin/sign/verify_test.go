package sign

import (
	"bytes"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// records hands a zone's records to verify, which has its own type for them.
func records(list []zone.Record) iter.Seq[verify.Record] {
	return func(yield func(verify.Record) bool) {
		for _, r := range list {
			if !yield(verify.Record(r)) {
				return
			}
		}
	}
}

// FuzzSign_VerifyAccepts signs random zones in random ways: verify, which
// shares no code with this package, must accept them, and must not when one
// octet is another.
func FuzzSign_VerifyAccepts(f *testing.F) {
	for seed := range uint64(12) {
		f.Add(seed, uint16(seed*7))
	}
	f.Fuzz(func(t *testing.T, seed uint64, size uint16) {
		m := newModel(seed, int(size%200))
		in := input(t, m.build(t, nil), policy.ED25519)
		in.Denial = denials[seed%uint64(len(denials))]
		for n := range in.Denial.SaltLength {
			in.Salt = append(in.Salt, byte(n))
		}
		s, _ := signed(t, in)
		list := flat(s)
		o := verify.Options{Now: in.Now, Remaining: in.Generations[0].Refresh}
		report, err := verify.Zone(s.Origin(), records(list), o)
		if err != nil {
			t.Fatalf("%s: %v", in.Denial, err)
		}
		if report.Signatures != s.Signatures || report.FirstExpiry.Unix() != s.Expiry {
			t.Errorf("%d signatures, the first ends %d; verify sees %d and %d",
				s.Signatures, s.Expiry, report.Signatures, report.FirstExpiry.Unix())
		}
		r := rand.New(rand.NewPCG(seed, 8))
		for range 4 {
			n := r.IntN(len(list))
			if unsigned(s, list[n]) {
				continue
			}
			spoiled := slices.Clone(list)
			spoiled[n].RData = bytes.Clone(list[n].RData)
			at := r.IntN(len(list[n].RData))
			spoiled[n].RData[at] ^= 1 << r.IntN(8)
			if bytes.EqualFold(spoiled[n].RData, list[n].RData) { // the case of names is not signed
				continue
			}
			if _, err := verify.Zone(s.Origin(), records(spoiled), o); err == nil {
				t.Errorf("octet %d of %s %s is another, and nothing is wrong", at, zone.Text(list[n].Owner), zone.TypeText(list[n].Type))
			}
		}
	})
}

// unsigned reports whether nothing protects a record: delegations and glue.
func unsigned(s *zone.Signed, r zone.Record) bool {
	key, ok := s.Key(nil, r.Owner)
	if !ok {
		return false
	}
	at, exact := s.Find(key)
	return exact && r.Type != zone.TypeNSEC && r.Type != zone.TypeRRSIG && !zone.Authoritative(s.At(at).Flags(at.Name), r.Type)
}

// P2, P14: what validators choke on is never made.
func TestSign_LargestRollStaysSmall(t *testing.T) {
	in := input(t, build(t, "example.org", apex+"ns A 192.0.2.1\n", nil), policy.RSASHA256)
	for _, seed := range []string{"new", "newer"} {
		for _, role := range []policy.Role{policy.KSK, policy.ZSK} {
			in.Keys = append(in.Keys, newKey(t, role, policy.ECDSAP256SHA256, seed))
		}
	}
	in.DNSKEYSigners = []int{0, 2, 4}
	in.Generations[0].ZoneSigners = []int{1, 3}
	s, _ := signed(t, in)
	if _, err := verify.Zone(s.Origin(), records(flat(s)), verify.Options{Now: now, MaxKeys: 6, MaxSignatures: 3}); err != nil {
		t.Error(err)
	}
}

// A version between two generations is as valid as any.
func TestSign_EveryVersionOfARollVerifies(t *testing.T) {
	for _, d := range denials[:2] {
		t.Run(d.String(), func(t *testing.T) {
			in := input(t, newModel(5, 25).build(t, nil), policy.ED25519)
			in.Denial = d
			in.Keys = append(in.Keys, newKey(t, policy.ZSK, policy.ED25519, "zsk2"))
			next := in.Generations[0]
			next.Since, next.ZoneSigners = now, []int{2}
			next.Validity -= 3 * days
			in.Generations = append(in.Generations, next)
			for range 24 {
				s, _ := signed(t, in)
				_, err := verify.Zone(s.Origin(), records(flat(s)), verify.Options{Now: in.Now, Remaining: next.Refresh})
				if err != nil {
					t.Fatalf("at %v: %v", in.Now, err)
				}
				in.Previous = s
				in.Now = in.Now.Add(9*hour + 11)
			}
		})
	}
}
