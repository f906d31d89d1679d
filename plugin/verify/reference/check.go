package reference

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// MinChain is the number of CNAME and DNAME records that a server must follow
// before it may leave the rest to the resolver.
const MinChain = 16

// Check compares a response with what is expected: the response code and the
// records of the answer section, of a referral those of the authority section;
// signatures and TTLs aside. For ANY one of the sets is enough (RFC 8482).
func (e Expected) Check(m *dns.Msg) error {
	if m.Truncated || e.Or != nil && e.Or.Check(m) == nil {
		return nil
	}
	got := plain(m.Answer)
	short := false // the server may have stopped on the way
	if len(got) < len(e.Chain) && len(got) >= MinChain {
		short = true
	}
	if m.Rcode != e.Rcode && !short {
		return fmt.Errorf("rcode %s, want %s (%s)", dns.RcodeToString[m.Rcode], dns.RcodeToString[e.Rcode], e.Kind)
	}
	for i, rr := range e.Chain {
		if i == len(got) && short {
			return nil
		}
		if len(got) <= i || !same(got[i], rr) {
			return fmt.Errorf("answer %v, want at place %d %v", m.Answer, i, rr)
		}
	}
	got = got[len(e.Chain):]
	switch {
	case e.Kind == Answer && e.Qtype == dns.TypeANY:
		return e.checkAny(got, m)
	case e.Kind == Answer && len(e.Sets) == 0: // RRSIG, NSEC
		if !slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == e.Qtype }) {
			return fmt.Errorf("answer %v, want %s", m.Answer, dns.Type(e.Qtype))
		}
		return nil
	case e.Kind == Referral:
		var ns []dns.RR
		for _, rr := range m.Ns {
			if rr.Header().Rrtype == dns.TypeNS {
				ns = append(ns, rr)
			}
		}
		if err := sameSet(ns, e.NS); err != nil {
			return fmt.Errorf("referral: %w", err)
		}
	}
	onTheWay := func(rr dns.RR) bool { return slices.ContainsFunc(e.Chain, func(o dns.RR) bool { return same(o, rr) }) }
	return sameSet(got, slices.DeleteFunc(slices.Concat(e.Sets...), onTheWay)) // a DNAME asked for, say
}

// Agrees compares what a response proves with what is expected.
func (e Expected) Agrees(v verify.Verdict) error {
	if v.Kind == verify.Truncated || e.Or != nil && e.Or.Agrees(v) == nil {
		return nil
	}
	kinds := map[Kind]verify.Kind{
		Answer: verify.Positive, NoData: verify.NoData, NameError: verify.NameError, Referral: verify.Referral,
		Outside: verify.Alias, Loop: verify.Alias, Overflow: verify.Overflow,
	}
	switch {
	case v.Kind == verify.Alias && v.Hops >= MinChain:
		return nil // the rest is left to the resolver
	case kinds[e.Kind] != v.Kind && !(e.Kind == Answer && v.Kind == verify.Wildcard):
		return fmt.Errorf("proves %s, want %s", v.Kind, e.Kind)
	case !bytes.Equal(v.Name, e.Name.Wire()):
		return fmt.Errorf("proves something of %x, want %s", v.Name, e.Name)
	case e.Kind == Referral && v.Secure != e.Secure:
		return fmt.Errorf("secure is %v at a delegation, want %v", v.Secure, e.Secure)
	case !v.Secure && (v.FromWildcard || e.Empty): // in an opt-out span that cannot be told
	case (e.Kind == Answer || e.Kind == NoData) && e.Qtype != dns.TypeRRSIG && v.FromWildcard != e.Wildcard:
		return fmt.Errorf("from a wildcard is %v, want %v", v.FromWildcard, e.Wildcard)
	}
	return nil
}

// checkAny wants whole sets of those that are there.
func (e Expected) checkAny(got []dns.RR, m *dns.Msg) error {
	taken := 0
	for _, set := range e.Sets {
		var part []dns.RR
		for _, rr := range got {
			if rr.Header().Rrtype == set[0].Header().Rrtype {
				part = append(part, rr)
			}
		}
		taken += len(part)
		if len(part) > 0 {
			if err := sameSet(part, set); err != nil {
				return err
			}
		}
	}
	if taken == 0 || taken != len(got) {
		return fmt.Errorf("answer %v, want one or more of %v", m.Answer, e.Sets)
	}
	return nil
}

// plain returns the records that are not signatures or their denial.
func plain(rrs []dns.RR) []dns.RR {
	var list []dns.RR
	for _, rr := range rrs {
		if t := rr.Header().Rrtype; t != dns.TypeRRSIG && t != dns.TypeNSEC && t != dns.TypeNSEC3 {
			list = append(list, rr)
		}
	}
	return list
}

// same compares two records: names without regard to case, hexadecimal fields
// by what they stand for.
func same(a, b dns.RR) bool {
	if dns.IsDuplicate(a, b) {
		return true
	}
	x, y := packed(a), packed(b)
	return x != "" && x == y
}

// packed returns a record in wire form, its owner in lower case and its TTL 0.
func packed(rr dns.RR) string {
	rr = dns.Copy(rr)
	h := rr.Header()
	h.Name, h.Ttl = dns.CanonicalName(h.Name), 0
	buf := make([]byte, dns.Len(rr)+512)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// sameSet compares records in any order.
func sameSet(got, want []dns.RR) error {
	has := func(list []dns.RR, rr dns.RR) bool {
		return slices.ContainsFunc(list, func(o dns.RR) bool { return same(o, rr) })
	}
	for _, rr := range want {
		if !has(got, rr) {
			return fmt.Errorf("%v is missing in %v", rr, got)
		}
	}
	for _, rr := range got {
		if !has(want, rr) {
			return fmt.Errorf("%v is too much; want %v", rr, want)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d records, want %d", len(got), len(want))
	}
	return nil
}
