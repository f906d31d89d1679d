package verify

import (
	"bytes"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// response is a message as the judge reads it.
type response struct {
	t       Trust
	now     uint32
	keys    []*publicKey
	msg     *dns.Msg
	name    []byte // of the question, lower case
	qtype   uint16
	answer  []*part
	auth    []*part
	proof   proof
	optOut  bool // a proof that was used goes through an opt-out span
	visited [][]byte
}

// part is an RRset of a message with its signatures.
type part struct {
	owner  []byte // lower case
	typ    uint16
	ttl    uint32
	count  int
	set    []byte // as each reads it
	sigs   []Record
	labels int // of the signed name; less than the owner's when a wildcard was expanded
	used   bool
}

func (p *part) first() []byte { return p.set[2 : 2+int(be16(p.set))] }

func (p *part) String() string { return nameString(p.owner) + " " + typeString(p.typ) }

// signed reports whether the part has signatures; they were verified.
func (p *part) signed() bool { return len(p.sigs) > 0 }

// expanded reports whether the part was made from a wildcard.
func (p *part) expanded() bool {
	n := countLabels(p.owner)
	return p.signed() && p.labels < n && (!isWildcard(p.owner) || p.labels < n-1)
}

// readResponse takes a message apart and verifies every signature in it.
func readResponse(m *dns.Msg, t Trust) (*response, error) {
	r := &response{t: t, now: uint32(t.Now.Unix()), msg: m, qtype: m.Question[0].Qtype}
	r.t.Zone = lowered(t.Zone)
	for _, rdata := range t.Keys {
		k, err := parseKey(rdata)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, k)
	}
	var buf [255]byte
	n, err := dns.PackDomainName(m.Question[0].Name, buf[:], 0, nil, false)
	if err != nil {
		return nil, err
	}
	r.name = lowered(buf[:n])
	if r.answer, err = r.section(m.Answer, m.Truncated); err != nil {
		return nil, err
	}
	if r.auth, err = r.section(m.Ns, m.Truncated); err != nil {
		return nil, err
	}
	if _, err = r.section(m.Extra, m.Truncated); err != nil {
		return nil, err
	}
	return r, r.readProof()
}

// section reads one section.
func (r *response) section(rrs []dns.RR, truncated bool) ([]*part, error) {
	var parts []*part
	var sigs []Record
	for _, rr := range rrs {
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		rec, err := packed(rr)
		if err != nil {
			return nil, err
		}
		if rec.Type == typeRRSIG {
			sigs = append(sigs, rec)
			continue
		}
		p := findPart(parts, rec.Owner, rec.Type)
		if p == nil {
			p = &part{owner: rec.Owner, typ: rec.Type, ttl: rec.TTL}
			parts = append(parts, p)
		}
		if p.ttl != rec.TTL {
			return nil, fmt.Errorf("%s: records with different TTLs", p)
		}
		p.set = appendRData(p.set, rec.RData)
		p.count++
	}
	for _, sig := range sigs {
		if len(sig.RData) < 2 {
			return nil, errRRSIG
		}
		p := findPart(parts, sig.Owner, be16(sig.RData))
		if p == nil && r.qtype == typeRRSIG {
			p = &part{owner: sig.Owner, typ: typeRRSIG, ttl: sig.TTL}
			parts = append(parts, p)
			continue // unproven by nature
		}
		if p == nil && !truncated {
			return nil, fmt.Errorf("%s: a signature over %s, which is not there", nameString(sig.Owner), typeString(be16(sig.RData)))
		}
		if p != nil {
			p.sigs = append(p.sigs, sig)
		}
	}
	for _, p := range parts {
		if err := r.verify(p); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
	}
	return parts, nil
}

// packed returns a record in wire form, its owner in lower case.
func packed(rr dns.RR) (Record, error) {
	h := *rr.Header()
	buf := make([]byte, dns.Len(rr)+2*255)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return Record{}, err
	}
	end := 0
	for buf[end] != 0 {
		end += 1 + int(buf[end])
	}
	return Record{lowered(buf[:end+1]), h.Rrtype, h.Ttl, buf[end+11 : n]}, nil
}

func findPart(parts []*part, owner []byte, typ uint16) *part {
	for _, p := range parts {
		if p.typ == typ && bytes.Equal(p.owner, owner) {
			return p
		}
	}
	return nil
}

// verify checks the signatures of one set (RFC 4035 section 5.3).
func (r *response) verify(p *part) error {
	if _, twice := canonicalSet(p.typ, p.set); twice {
		return fmt.Errorf("the same record twice")
	}
	for i, sig := range p.sigs {
		f, err := parseRRSIG(sig.RData)
		if err != nil {
			return err
		}
		if i == 0 {
			p.labels = int(f.labels)
		}
		if err := r.fields(p, sig, f); err != nil {
			return err
		}
		var key *publicKey
		for _, k := range r.keys {
			if k.tag == f.tag && k.algorithm == f.algorithm {
				key = k
			}
		}
		if key == nil {
			return fmt.Errorf("signed by key %d, which is not trusted", f.tag)
		}
		if err := (Check{Owner: p.owner, Type: p.typ, RRSIG: sig.RData, set: p.set, key: key}).Verify(); err != nil {
			return err
		}
	}
	return nil
}

// fields judges what an RRSIG says of its set.
func (r *response) fields(p *part, sig Record, f rrsig) error {
	switch left := int32(f.expiration - r.now); {
	case !equalNames(f.signer, r.t.Zone) || !atOrBelow(p.owner, r.t.Zone):
		return fmt.Errorf("signed by %s", nameString(lowered(f.signer)))
	case int(f.labels) != p.labels || p.labels > countLabels(p.owner):
		return fmt.Errorf("signed for %d labels", f.labels)
	case p.ttl != sig.TTL || p.ttl > f.ttl:
		return fmt.Errorf("TTL %d, its signature's %d, signed with %d", p.ttl, sig.TTL, f.ttl)
	case int32(f.inception-r.now) > 0:
		return fmt.Errorf("signature not valid yet")
	case left < 0:
		return fmt.Errorf("signature expired %v ago", time.Duration(-left)*time.Second)
	case r.t.CapTTL && int64(p.ttl) > int64(left):
		return fmt.Errorf("TTL %d, but the signature ends in %d seconds", p.ttl, left)
	}
	return nil
}
