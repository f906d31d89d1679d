// Package reference is a slow and obvious authoritative lookup, and a model of
// a cache that believes what proofs say (RFC 8198). Tests compare the real
// thing with it.
package reference

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Name is a domain name as its labels, top first, in lower case. The root has none.
type Name []string

// ParseName reads a name in presentation form.
func ParseName(s string) Name {
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(dns.Fqdn(s), buf, 0, nil, false)
	if err != nil {
		panic("reference: " + s + ": " + err.Error())
	}
	var name Name
	for off := 0; off < n-1; off += 1 + int(buf[off]) {
		name = append(name, lower(string(buf[off+1:off+1+int(buf[off])])))
	}
	slices.Reverse(name)
	return name
}

// lower changes ASCII letters only (RFC 4343).
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// String writes the name in presentation form.
func (n Name) String() string {
	var wire []byte
	for i := len(n) - 1; i >= 0; i-- {
		wire = append(append(wire, byte(len(n[i]))), n[i]...)
	}
	s, _, err := dns.UnpackDomainName(append(wire, 0), 0)
	if err != nil {
		return "too long a name"
	}
	return s
}

// Wire returns the name in wire form.
func (n Name) Wire() []byte {
	var wire []byte
	for i := len(n) - 1; i >= 0; i-- {
		wire = append(append(wire, byte(len(n[i]))), n[i]...)
	}
	return append(wire, 0)
}

// under reports whether n is top or below it.
func (n Name) under(top Name) bool { return len(n) >= len(top) && slices.Equal(n[:len(top)], top) }

func (n Name) below(top Name) bool { return len(n) > len(top) && n.under(top) }

func (n Name) wildcard() Name { return append(slices.Clone(n), "*") }

// key makes a name usable in a map.
func (n Name) key() string {
	var b strings.Builder
	for _, l := range n {
		b.WriteByte(byte(len(l)))
		b.WriteString(l)
	}
	return b.String()
}

// compare orders names canonically (RFC 4034 section 6.1).
func (n Name) compare(o Name) int { return slices.Compare(n, o) }

// Kind says how a question ends.
type Kind string

// The ends of a question.
const (
	Answer    Kind = "answer"
	NoData    Kind = "no data"
	NameError Kind = "name error"
	Referral  Kind = "referral"
	Outside   Kind = "alias out of the zone"
	Loop      Kind = "loop"
	Overflow  Kind = "overflow"
)

// Expected is what a response should hold.
type Expected struct {
	Kind     Kind
	Rcode    int
	Qtype    uint16
	Name     Name     // the question's name, or the end of its chain
	Chain    []dns.RR // CNAME and DNAME records on the way, made-up CNAMEs included
	Sets     [][]dns.RR
	Wildcard bool // Name was answered, or denied, from a wildcard
	Empty    bool // NoData: the name, or the wildcard, is an empty non-terminal
	NS       []dns.RR
	Secure   bool // Referral: there is a DS

	// Or is another right response. A DNAME makes a CNAME: RFC 6672 section 3.2
	// goes on from there whatever was asked, but CNAME and ANY are answered by it.
	// The NSEC record of a delegation is the parent's, and so may be asked of it.
	Or *Expected
}

// Zone is a zone by names.
type Zone struct {
	Origin Name
	sets   map[string]map[uint16][]dns.RR
	names  map[string]Name // owners of records
	exists map[string]bool // owners that are not occluded, and what is above them
	nsec   bool            // its names own NSEC records
	signed bool            // its sets have signatures
}

// New takes the records of a zone, signed or not.
func New(origin string, records []dns.RR) *Zone {
	z := &Zone{Origin: ParseName(origin), sets: map[string]map[uint16][]dns.RR{}, names: map[string]Name{}, exists: map[string]bool{}}
	for _, rr := range records {
		switch rr.Header().Rrtype {
		case dns.TypeNSEC:
			z.nsec = true
			continue
		case dns.TypeRRSIG:
			z.signed = true
			continue
		case dns.TypeNSEC3:
			continue
		}
		name := ParseName(rr.Header().Name)
		k := name.key()
		if z.sets[k] == nil {
			z.sets[k] = map[uint16][]dns.RR{}
			z.names[k] = name
		}
		typ := rr.Header().Rrtype
		if !slices.ContainsFunc(z.sets[k][typ], func(o dns.RR) bool { return dns.IsDuplicate(o, rr) }) {
			z.sets[k][typ] = append(z.sets[k][typ], rr)
		}
	}
	for _, name := range z.names {
		if _, hidden := z.hider(name); hidden {
			continue
		}
		for n := len(name); n >= len(z.Origin); n-- {
			z.exists[name[:n].key()] = true
		}
	}
	return z
}

func (z *Zone) set(name Name, typ uint16) []dns.RR { return z.sets[name.key()][typ] }

// hider returns the topmost name above name that is a delegation or owns a
// DNAME (RFC 1034 section 4.3.2, RFC 6672 section 2.4).
func (z *Zone) hider(name Name) (Name, bool) {
	for n := len(z.Origin); n < len(name); n++ {
		up := name[:n]
		if n > len(z.Origin) && z.set(up, dns.TypeNS) != nil || z.set(up, dns.TypeDNAME) != nil {
			return up, true
		}
	}
	return nil, false
}

// isCut reports whether a name is a delegation.
func (z *Zone) isCut(name Name) bool {
	return len(name) > len(z.Origin) && z.set(name, dns.TypeNS) != nil
}

// Lookup says what the zone answers (RFC 1034 section 4.3.2, RFC 4592, RFC
// 6672 section 3.2). The name must be in the zone.
func (z *Zone) Lookup(qname string, qtype uint16) Expected {
	e := Expected{Name: ParseName(qname), Qtype: qtype, Kind: Answer}
	seen := map[string]bool{e.Name.key(): true}
	for z.step(&e, qtype) {
		if !e.Name.under(z.Origin) {
			e.Kind = Outside
			break
		}
		if seen[e.Name.key()] {
			e.Kind = Loop
			break
		}
		seen[e.Name.key()] = true
	}
	switch e.Kind {
	case NameError:
		e.Rcode = dns.RcodeNameError
	case Overflow:
		e.Rcode = dns.RcodeYXDomain
	}
	return e
}

// step looks one name up; it is true when the chain goes on with another name.
func (z *Zone) step(e *Expected, qtype uint16) bool {
	if up, hidden := z.hider(e.Name); hidden {
		if z.isCut(up) {
			z.refer(e, up)
			return false
		}
		return z.substitute(e, z.set(up, dns.TypeDNAME)[0].(*dns.DNAME), up, qtype)
	}
	if z.isCut(e.Name) && qtype != dns.TypeDS {
		if qtype == dns.TypeNSEC && z.nsec {
			e.Or = &Expected{Name: e.Name, Qtype: qtype, Kind: Answer, Chain: slices.Clone(e.Chain)}
		}
		z.refer(e, e.Name)
		return false
	}
	if z.exists[e.Name.key()] {
		return z.at(e, e.Name, qtype)
	}
	encloser := e.Name
	for !z.exists[encloser.key()] {
		encloser = encloser[:len(encloser)-1]
	}
	wildcard := encloser.wildcard()
	if !z.exists[wildcard.key()] {
		e.Kind = NameError
		return false
	}
	e.Wildcard = true
	return z.at(e, wildcard, qtype)
}

// refer ends a question at a delegation.
func (z *Zone) refer(e *Expected, cut Name) {
	e.Kind, e.NS, e.Secure = Referral, z.set(cut, dns.TypeNS), z.set(cut, dns.TypeDS) != nil
}

// at answers from the records of a node, which may be a wildcard's.
func (z *Zone) at(e *Expected, node Name, qtype uint16) bool {
	sets := z.sets[node.key()]
	direct := qtype == dns.TypeCNAME || qtype == dns.TypeANY || qtype == dns.TypeRRSIG || qtype == dns.TypeNSEC && z.nsec
	if c := sets[dns.TypeCNAME]; c != nil && !direct {
		e.Chain = append(e.Chain, rename(c[0], e.Name))
		e.Name = ParseName(c[0].(*dns.CNAME).Target)
		e.Wildcard = false
		return true
	}
	e.Kind = Answer
	for typ, set := range sets {
		if typ != qtype && qtype != dns.TypeANY {
			continue
		}
		var named []dns.RR
		for _, rr := range set {
			named = append(named, rename(rr, e.Name))
		}
		e.Sets = append(e.Sets, named)
	}
	special := qtype == dns.TypeRRSIG && z.signed || qtype == dns.TypeNSEC && z.nsec // not kept here
	if len(e.Sets) == 0 && !(special && len(sets) > 0) {
		e.Kind, e.Empty = NoData, len(sets) == 0
	}
	return false
}

// substitute makes the CNAME of a DNAME.
func (z *Zone) substitute(e *Expected, d *dns.DNAME, owner Name, qtype uint16) bool {
	if !slices.Contains(e.Chain, dns.RR(d)) { // a section has a set once
		e.Chain = append(e.Chain, d)
	}
	target := append(ParseName(d.Target), e.Name[len(owner):]...)
	if len(target.Wire()) > 255 {
		e.Kind = Overflow
		return false
	}
	h := dns.RR_Header{Name: e.Name.String(), Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: d.Hdr.Ttl}
	c := &dns.CNAME{Hdr: h, Target: target.String()}
	if e.Or == nil && (qtype == dns.TypeCNAME || qtype == dns.TypeANY) {
		e.Or = &Expected{Name: e.Name, Qtype: qtype, Kind: Answer, Chain: slices.Clone(e.Chain), Sets: [][]dns.RR{{c}}}
	}
	e.Chain = append(e.Chain, c)
	e.Name = target
	return true
}

func rename(rr dns.RR, name Name) dns.RR {
	rr = dns.Copy(rr)
	rr.Header().Name = name.String()
	return rr
}
