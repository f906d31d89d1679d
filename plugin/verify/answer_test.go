package verify_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/verify/reference"
)

// responder makes responses the plain way: what the reference lookup expects,
// and with it every proof that the zone has.
type responder struct {
	zone    *reference.Zone
	signed  []dns.RR
	byOwner map[string][]dns.RR
	chain   []dns.RR
}

func newResponder(signed []dns.RR) *responder {
	r := &responder{zone: reference.New("example.org.", signed), signed: signed, byOwner: map[string][]dns.RR{}}
	for _, rr := range signed {
		name := strings.ToLower(rr.Header().Name)
		r.byOwner[name] = append(r.byOwner[name], rr)
		sig, ok := rr.(*dns.RRSIG)
		if t := rr.Header().Rrtype; t == dns.TypeNSEC || t == dns.TypeNSEC3 || ok && (sig.TypeCovered == dns.TypeNSEC || sig.TypeCovered == dns.TypeNSEC3) {
			r.chain = append(r.chain, rr)
		}
	}
	return r
}

// sigs returns the signatures over a set, from a wildcard if need be.
func (r *responder) sigs(name string, typ uint16) []dns.RR {
	for source, up := name, name; ; {
		var list []dns.RR
		for _, rr := range r.byOwner[strings.ToLower(source)] {
			if sig, ok := rr.(*dns.RRSIG); ok && sig.TypeCovered == typ {
				rr = dns.Copy(rr)
				rr.Header().Name = name
				list = append(list, rr)
			}
		}
		off, end := dns.NextLabel(up, 0)
		if list != nil || end || !dns.IsSubDomain("example.org.", up[off:]) {
			return list
		}
		up = up[off:]
		source = "*." + up
	}
}

// respond answers a question.
func (r *responder) respond(name string, typ uint16) (*dns.Msg, reference.Expected) {
	e := r.zone.Lookup(name, typ)
	m := new(dns.Msg).SetQuestion(name, typ)
	m.Response, m.Rcode = true, e.Rcode
	m.Authoritative = e.Kind != reference.Referral || len(e.Chain) > 0
	add := func(section *[]dns.RR, set ...dns.RR) {
		for _, rr := range set {
			if !slices.ContainsFunc(*section, func(o dns.RR) bool { return o.String() == rr.String() }) {
				*section = append(*section, rr)
			}
		}
	}
	made := false // the next CNAME is what a DNAME makes
	for _, rr := range e.Chain {
		add(&m.Answer, rr)
		if !made {
			add(&m.Answer, r.sigs(rr.Header().Name, rr.Header().Rrtype)...)
		}
		made = rr.Header().Rrtype == dns.TypeDNAME
	}
	for _, set := range e.Sets {
		add(&m.Answer, set...)
		add(&m.Answer, r.sigs(set[0].Header().Name, set[0].Header().Rrtype)...)
	}
	add(&m.Ns, r.chain...)
	switch e.Kind {
	case reference.Referral:
		add(&m.Ns, e.NS...)
		for _, rr := range r.byOwner[strings.ToLower(e.NS[0].Header().Name)] {
			if sig, ok := rr.(*dns.RRSIG); rr.Header().Rrtype == dns.TypeDS || ok && sig.TypeCovered == dns.TypeDS {
				add(&m.Ns, rr)
			}
		}
	case reference.NoData, reference.NameError:
		for _, rr := range r.byOwner["example.org."] {
			if sig, ok := rr.(*dns.RRSIG); rr.Header().Rrtype == dns.TypeSOA || ok && sig.TypeCovered == dns.TypeSOA {
				rr = dns.Copy(rr)
				rr.Header().Ttl = 300
				add(&m.Ns, rr)
			}
		}
	}
	return m, e
}

var asked = []uint16{dns.TypeA, dns.TypeTXT, dns.TypeDS, dns.TypeCNAME, dns.TypeNS, dns.TypeANY, dns.TypeDNAME, dns.TypeAAAA}

// randomQuestion asks over the labels that random zones are made of.
func randomQuestion(r *rand.Rand) (string, uint16) {
	labels := []string{"a", "b", "c", "*", "A", `z\000`, `\001`, "no"}
	name := "example.org."
	for range r.IntN(5) {
		name = labels[r.IntN(len(labels))] + "." + name
	}
	return name, asked[r.IntN(len(asked))]
}

// TestAnswer_AcceptsOnlyWhatIsTrue: a right response is accepted, and when it is
// put under another question it is accepted only if it is right for that.
func TestAnswer_AcceptsOnlyWhatIsTrue(t *testing.T) {
	for _, kind := range []string{"NSEC", "NSEC3", "opt-out"} {
		rnd := rand.New(rand.NewPCG(7, 8))
		refused := 0
		for range 6 {
			z := verify.RandomForTest(rnd, kind, 10)
			r := newResponder(z.Signed)
			cache := reference.NewCache("example.org.")
			for range 30 {
				name, typ := randomQuestion(rnd)
				m, e := r.respond(name, typ)
				v, err := verify.Answer(m, z.Trust)
				if err == nil {
					err = e.Agrees(v)
				}
				if err == nil {
					err = e.Check(m)
				}
				if err != nil {
					t.Fatalf("%s: %v (expected %s)\n%v\n%v", kind, err, e.Kind, m, z.Signed)
				}
				cache.Learn(m)
				name, typ = randomQuestion(rnd)
				m.SetQuestion(name, typ)
				m.Response = true
				refused += otherQuestion(t, r.zone.Lookup(name, typ), m, z.Trust)
			}
			if err := r.zone.Contradiction(cache); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if refused < 40 {
			t.Errorf("%s: only %d of the moved responses were refused", kind, refused)
		}
	}
}

// otherQuestion judges a response that was made for another question. It
// returns 1 when it is refused.
func otherQuestion(t *testing.T, e reference.Expected, m *dns.Msg, trust verify.Trust) int {
	t.Helper()
	v, err := verify.Answer(m, trust)
	if err != nil {
		return 1
	}
	if !v.Secure && v.Kind != verify.Referral {
		return 0 // an opt-out span: it may be anything
	}
	if v.Kind == verify.Alias && e.Kind != reference.Outside {
		return 0 // a chain that is not led to its end says nothing wrong
	}
	if err := e.Agrees(v); err != nil {
		t.Errorf("accepted, but %v (expected %s)\n%v", err, e.Kind, m)
	}
	return 0
}
