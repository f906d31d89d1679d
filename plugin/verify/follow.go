package verify

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// maxHops bounds the CNAME and DNAME records that are followed.
const maxHops = 64

// judge decides what the response says and whether it is proven.
func (r *response) judge() (Verdict, error) {
	if !r.msg.Response || r.msg.Opcode != dns.OpcodeQuery {
		return Verdict{}, errors.New("no response to a query")
	}
	if r.msg.Truncated {
		return Verdict{Kind: Truncated, Name: r.name}, nil
	}
	v := Verdict{Name: r.name, Secure: true}
	for {
		more, err := r.step(&v)
		if err != nil {
			return v, err
		}
		if !more {
			break
		}
		if v.Hops++; v.Hops > maxHops {
			return v, errors.New("too long a chain")
		}
	}
	v.Secure = v.Secure && !r.optOut
	return v, r.leftovers(&v)
}

// step judges one name of the chain: what Kind is, or where the chain leads on.
func (r *response) step(v *Verdict) (more bool, err error) {
	for _, seen := range r.visited {
		if bytes.Equal(seen, v.Name) {
			v.Kind = Alias // a loop: nothing else can be said
			return false, r.rcode(dns.RcodeSuccess)
		}
	}
	r.visited = append(r.visited, v.Name)
	if v.Hops > 0 && !atOrBelow(v.Name, r.t.Zone) {
		v.Kind = Alias
		return false, r.rcode(dns.RcodeSuccess)
	}
	found, err := r.positive(v)
	if found || err != nil {
		return false, err
	}
	if d := r.above(v.Name); d != nil {
		return r.dname(v, d)
	}
	if c := findPart(r.answer, v.Name, typeCNAME); c != nil {
		return true, r.cname(v, c)
	}
	return false, r.negative(v)
}

// rcode wants a response code.
func (r *response) rcode(want int) error {
	if r.msg.Rcode != want {
		return fmt.Errorf("rcode %s where %s is right", dns.RcodeToString[r.msg.Rcode], dns.RcodeToString[want])
	}
	return nil
}

// positive looks for what was asked at the name.
func (r *response) positive(v *Verdict) (found bool, err error) {
	for _, p := range r.answer {
		wanted := p.typ == r.qtype || r.qtype == typeANY
		if !wanted || !bytes.Equal(p.owner, v.Name) || p.typ == typeCNAME && r.coveredByDNAME(p.owner) {
			continue
		}
		found = true
		p.used = true
		if p.typ == typeRRSIG {
			v.Secure = false
			continue
		}
		if err := r.authentic(p); err != nil {
			return true, err
		}
		if p.expanded() {
			v.Kind, v.FromWildcard = Wildcard, true
		}
	}
	if !found {
		return false, nil
	}
	return true, r.rcode(dns.RcodeSuccess)
}

// authentic wants a set that is signed, and where it comes from a wildcard the
// proof that nothing closer is there (RFC 4035 section 5.3.4, RFC 5155 section 8.8).
func (r *response) authentic(p *part) error {
	if !p.signed() {
		return fmt.Errorf("%s: not signed", p)
	}
	if !p.expanded() {
		return nil
	}
	if err := r.proof.noCloser(r, p.owner, p.labels); err != nil {
		return fmt.Errorf("%s: from a wildcard: %w", p, err)
	}
	return nil
}

// cname follows a CNAME.
func (r *response) cname(v *Verdict, c *part) error {
	c.used = true
	if err := r.authentic(c); err != nil {
		return err
	}
	if c.count > 1 || !valid(c.first()) {
		return fmt.Errorf("%s: more than one, or malformed", c)
	}
	v.Name = lowered(c.first())
	return nil
}

// above returns the DNAME set of the answer that is above a name.
func (r *response) above(name []byte) *part {
	for _, p := range r.answer {
		if p.typ == typeDNAME && below(name, p.owner) {
			return p
		}
	}
	return nil
}

func (r *response) coveredByDNAME(name []byte) bool { return r.above(name) != nil }

// dname follows a DNAME above the name; the CNAME that it makes must be there
// (RFC 6672 section 3.1).
func (r *response) dname(v *Verdict, d *part) (more bool, err error) {
	again := d.used
	d.used = true
	if err := r.authentic(d); err != nil {
		return false, err
	}
	if d.expanded() || d.count > 1 || !valid(d.first()) {
		return false, fmt.Errorf("%s: from a wildcard, more than one, or malformed", d)
	}
	target := append(bytes.Clone(v.Name[:len(v.Name)-len(d.owner)]), lowered(d.first())...)
	if len(target) > 255 {
		v.Kind = Overflow
		return false, r.rcode(dns.RcodeYXDomain)
	}
	c := findPart(r.answer, v.Name, typeCNAME)
	if c == nil && again { // a DNAME that leads below itself: the rest is left to the resolver
		v.Kind = Alias
		return false, r.rcode(dns.RcodeSuccess)
	}
	if c == nil {
		return false, fmt.Errorf("%s: without the CNAME that it makes", d)
	}
	c.used = true
	if c.signed() || c.count > 1 || !equalNames(c.first(), target) || c.ttl != d.ttl && c.ttl != 0 {
		return false, fmt.Errorf("%s: makes another CNAME than the one there", d)
	}
	if (r.qtype == typeCNAME || r.qtype == typeANY) && !r.speaksOf(target) {
		return false, r.rcode(dns.RcodeSuccess) // it is what was asked for
	}
	v.Name = target
	return true, nil
}

// speaksOf reports whether the response goes on with a name.
func (r *response) speaksOf(name []byte) bool {
	for _, p := range r.answer {
		if bytes.Equal(p.owner, name) {
			return true
		}
	}
	for _, p := range r.auth {
		if p.typ == typeSOA || p.typ == typeNS && below(p.owner, r.t.Zone) {
			return true
		}
	}
	return false
}

// negative judges a name of which the answer section has nothing: a referral, a
// denial, or a chain that is left to the resolver.
func (r *response) negative(v *Verdict) error {
	for _, p := range r.auth {
		if p.typ == typeNS && atOrBelow(v.Name, p.owner) && below(p.owner, r.t.Zone) {
			return r.referral(v, p)
		}
	}
	soa := findPart(r.auth, r.t.Zone, typeSOA)
	if soa == nil {
		if v.Hops > 0 {
			v.Kind = Alias
			return r.rcode(dns.RcodeSuccess)
		}
		return errors.New("neither an answer nor a referral nor a denial")
	}
	if !soa.signed() || soa.expanded() {
		return fmt.Errorf("%s: not signed", soa)
	}
	if rdata := soa.first(); soa.ttl > be32(rdata[len(rdata)-4:]) {
		return fmt.Errorf("%s: TTL %d, more than its negative TTL", soa, soa.ttl)
	}
	return r.deny(v)
}

// referral judges a delegation (RFC 4035 section 5.2, RFC 5155 section 8.9).
func (r *response) referral(v *Verdict, ns *part) error {
	v.Kind, v.Cut = Referral, ns.owner
	ns.used = true
	switch {
	case ns.signed():
		return fmt.Errorf("%s: signed, but not the zone's to sign", ns)
	case r.qtype == typeDS && bytes.Equal(v.Name, ns.owner):
		return errors.New("a referral, but DS is the parent's to answer (RFC 4035 section 3.1.4.1)")
	}
	if ds := findPart(r.auth, ns.owner, typeDS); ds != nil {
		ds.used = true
		if !ds.signed() || ds.expanded() {
			return fmt.Errorf("%s: not signed", ds)
		}
		return r.rcode(dns.RcodeSuccess)
	}
	v.Secure = false
	if err := r.proof.noDS(r, ns.owner); err != nil {
		return fmt.Errorf("%s: no DS, and no proof that there is none: %w", ns, err)
	}
	return r.rcode(dns.RcodeSuccess)
}

// leftovers refuses records that the question does not lead to, and a wrong AA flag.
func (r *response) leftovers(v *Verdict) error {
	if want := v.Kind != Referral || v.Hops > 0; r.msg.Authoritative != want {
		return fmt.Errorf("AA is %v", r.msg.Authoritative)
	}
	for _, p := range r.answer {
		if !p.used && !(r.qtype == typeRRSIG && p.typ == typeRRSIG) {
			return fmt.Errorf("%s: in the answer, but not on the question's way", p)
		}
	}
	for _, p := range r.auth {
		if !p.used && !p.signed() {
			return fmt.Errorf("%s: in the authority section, not signed", p)
		}
	}
	return nil
}
