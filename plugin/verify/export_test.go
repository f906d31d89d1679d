package verify

import (
	"math/rand/v2"

	"github.com/miekg/dns"
)

// SignedForTest is a random zone, signed, for tests of responses.
type SignedForTest struct {
	Unsigned, Signed []dns.RR
	Trust            Trust
}

// RandomForTest returns a random zone with a kind of denial.
func RandomForTest(r *rand.Rand, kind string, names int) SignedForTest {
	s := newSigner()
	denials[kind](s)
	// An empty non-terminal that opt-out leaves out, beside a wildcard, makes
	// name errors below it unprovable: the closest encloser that can be shown has
	// a wildcard. Unbound answers SERVFAIL where BIND does that.
	s.keepEmpty = true
	records := dedupe(randomZone(r, names))
	z := SignedForTest{Trust: Trust{Zone: exampleOrg, Keys: [][]byte{s.ksk.rdata, s.zsk.rdata}, Now: now}}
	z.Unsigned = toRRs(records)
	z.Signed = toRRs(s.sign(records))
	return z
}

func toRRs(records []Record) []dns.RR {
	var list []dns.RR
	for _, r := range records {
		list = append(list, toRR(r))
	}
	return list
}
