package verify

import (
	"bytes"
	"time"
)

// place is where a name stands in its zone.
type place uint8

const (
	inside   place = iota // authoritative data
	apex                  // the same, at the origin
	cut                   // a delegation: only DS and NSEC are the parent's to sign
	occluded              // below a cut or a DNAME: no part of the signed zone
	hashed                // owner of an NSEC3 record
)

// Bounds on what validators are asked to do.
const (
	defaultMaxKeys       = 16
	defaultMaxSignatures = 8
	// maxIterations of NSEC3: what validators still take (RFC 9276 section 3.2).
	maxIterations = 50
)

// judge holds what is known of a zone while its names are judged.
type judge struct {
	faults
	o            Options
	origin       []byte // lower case
	originLabels int
	now          uint32
	keys         []*publicKey
	beside       []*publicKey // of other views
	algorithms   []uint8      // of the published keys that sign zone data
	negativeTTL  uint32
	params       []byte // hash algorithm, iterations, salt; nil in a zone with NSEC
	first        int32  // seconds from now to the first expiration
	report       Report
	stop         error

	// known, when set, says which signatures were verified before.
	known func(n *owner, s *rrset, rrsig []byte) bool
	types []uint16
	form  []byte
}

func newJudge(origin []byte, o Options) *judge {
	if o.MaxKeys == 0 {
		o.MaxKeys = defaultMaxKeys
	}
	if o.MaxSignatures == 0 {
		o.MaxSignatures = defaultMaxSignatures
	}
	if o.Signatures == nil {
		o.Signatures = Check.Verify
	}
	return &judge{o: o, origin: lowered(origin), originLabels: countLabels(origin), now: uint32(o.Now.Unix()), first: 1<<31 - 1}
}

// end closes the report.
func (j *judge) end() (Report, error) {
	if j.report.Signatures > 0 {
		j.report.FirstExpiry = j.o.Now.Truncate(time.Second).Add(time.Duration(j.first) * time.Second).UTC()
	}
	if j.stop != nil {
		return j.report, j.stop
	}
	return j.report, j.err(j.origin)
}

// begin reads the apex: keys, negative TTL, kind of denial. It is false when
// nothing else can be judged.
func (j *judge) begin(n *owner) bool {
	soa, keys := n.find(typeSOA), n.find(typeDNSKEY)
	switch {
	case soa == nil || soa.count != 1 || len(soa.first()) < 22:
		j.fault(j.origin, typeSOA, "there must be one SOA record at the apex")
	case !n.has(typeNS):
		j.fault(j.origin, typeNS, "there must be NS records at the apex")
	case j.o.Unsigned:
		j.plain(n)
		return len(j.list) == 0
	case keys == nil:
		j.fault(j.origin, typeDNSKEY, "there must be DNSKEY records at the apex")
	default:
		rdata := soa.first()
		j.negativeTTL = min(soa.ttl, be32(rdata[len(rdata)-4:]))
		j.readKeys(keys)
		j.readDenial(n)
		return true
	}
	return false
}

// readDenial decides between NSEC and NSEC3 (RFC 5155 section 7.1).
func (j *judge) readDenial(n *owner) {
	p := n.find(typeNSEC3PARAM)
	if p == nil {
		return
	}
	rdata := p.first()
	switch {
	case p.count > 1:
		j.fault(j.origin, typeNSEC3PARAM, "%d records, so more than one chain", p.count)
	case len(rdata) < 5 || len(rdata) != 5+int(rdata[4]) || rdata[0] != 1 || rdata[1] != 0:
		j.fault(j.origin, typeNSEC3PARAM, "malformed, or with an unknown hash or flag")
	case be16(rdata[2:]) > maxIterations:
		j.fault(j.origin, typeNSEC3PARAM, "%d iterations, more than %d", be16(rdata[2:]), maxIterations)
	}
	j.params = bytes.Clone(rdata)
	j.report.NSEC3 = true
}

// name judges the sets of one name and its signatures.
func (j *judge) name(n *owner, at place) {
	if j.o.Unsigned {
		j.plain(n)
	} else if typ, found := n.orphan(); found {
		j.fault(n.name, typ, "a signature over a set that is not there")
	}
	if at != hashed && at != occluded {
		j.data(n, at)
	}
	for i := range n.sets {
		s := &n.sets[i]
		if s.uneven {
			j.fault(n.name, s.typ, "records with different TTLs (RFC 2181 section 5.2)")
		}
		if s.count > 1 && s.twice() {
			j.fault(n.name, s.typ, "the same record twice (RFC 4034 section 6.3)")
		}
		if !j.o.Unsigned {
			j.secured(n, s, at)
		}
	}
}

// secured judges whether a set is signed where it must be, and only there.
func (j *judge) secured(n *owner, s *rrset, at place) {
	if signs(at, s.typ) {
		j.signed(n, s, at)
	} else if s.from < s.to {
		j.fault(n.name, s.typ, "a signature over data that is not authoritative (RFC 4035 section 2.2)")
	}
	if at == occluded && (s.typ == typeNSEC || s.typ == typeNSEC3) {
		j.fault(n.name, s.typ, "below a delegation or a DNAME")
	}
}

// signs reports whether a set of that type is signed there (RFC 4035 section 2.2).
func signs(at place, typ uint16) bool {
	switch at {
	case occluded:
		return false
	case cut:
		return typ == typeDS || typ == typeNSEC
	}
	return true
}

// data judges which sets stand together at a name of the zone.
func (j *judge) data(n *owner, at place) {
	others := 0
	for i := range n.sets {
		if t := n.sets[i].typ; t != typeCNAME && t != typeNSEC {
			others++
		}
	}
	if c := n.find(typeCNAME); c != nil && (others > 0 || c.count > 1) {
		j.fault(n.name, typeCNAME, "a CNAME beside other data (RFC 1034 section 3.6.2)")
	}
	if d := n.find(typeDNAME); d != nil && d.count > 1 {
		j.fault(n.name, typeDNAME, "more than one DNAME (RFC 6672 section 2.4)")
	}
	if n.has(typeDS) && at != cut {
		j.fault(n.name, typeDS, "a DS without a delegation (RFC 4035 section 2.4)")
	}
	if n.has(typeSOA) && at != apex {
		j.fault(n.name, typeSOA, "an SOA below the apex")
	}
	if isWildcard(n.name) && (n.has(typeNS) || n.has(typeDNAME)) {
		j.fault(n.name, 0, "a wildcard that owns NS or DNAME (RFC 4592 sections 4.2 and 4.4)")
	}
}
