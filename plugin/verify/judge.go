package verify

import (
	"bytes"
	"errors"
	"slices"
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
	algorithms   []uint8 // of the published keys that sign zone data
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

// readKeys reads the published and the announced keys.
func (j *judge) readKeys(set *rrset) {
	if set.count > j.o.MaxKeys {
		j.fault(j.origin, typeDNSKEY, "%d keys, more than %d", set.count, j.o.MaxKeys)
		return
	}
	for rdata := range each(set.data) {
		j.addKey(rdata, true)
	}
	for _, rdata := range j.o.Announced {
		j.addKey(rdata, false)
	}
}

func (j *judge) addKey(rdata []byte, published bool) {
	for _, other := range j.keys {
		if bytes.Equal(other.rdata, rdata) {
			return
		}
	}
	k, err := parseKey(rdata)
	if err != nil {
		j.fault(j.origin, typeDNSKEY, "%v", err)
		return
	}
	for _, other := range j.keys {
		if other.tag == k.tag {
			j.fault(j.origin, typeDNSKEY, "two keys with the tag %d", k.tag)
		}
	}
	k.published = published
	j.keys = append(j.keys, k)
	if published && k.flags&flagRevoke == 0 && !slices.Contains(j.algorithms, k.algorithm) {
		j.algorithms = append(j.algorithms, k.algorithm)
	}
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
	if typ, found := n.orphan(); found {
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
		if signs(at, s.typ) {
			j.signed(n, s, at)
		} else if s.from < s.to {
			j.fault(n.name, s.typ, "a signature over data that is not authoritative (RFC 4035 section 2.2)")
		}
		if at == occluded && (s.typ == typeNSEC || s.typ == typeNSEC3) {
			j.fault(n.name, s.typ, "below a delegation or a DNAME")
		}
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

// signed judges the signatures over one set.
func (j *judge) signed(n *owner, s *rrset, at place) {
	j.report.Sets++
	if s.to-s.from > j.o.MaxSignatures {
		j.fault(n.name, s.typ, "%d signatures, more than %d", s.to-s.from, j.o.MaxSignatures)
		return
	}
	var done uint32 // bits: algorithms of the keys that signed; a revoked one vouches for nothing but that (RFC 5011 section 2.1)
	labels := countLabels(n.name)
	if isWildcard(n.name) {
		labels--
	}
	for i := s.from; i < s.to; i++ {
		k := j.rrsig(n, s, i, labels)
		if k == nil {
			return
		}
		for bit, a := range j.algorithms {
			if a == k.algorithm && k.flags&flagRevoke == 0 {
				done |= 1 << bit
			}
		}
	}
	for bit, a := range j.algorithms {
		if done&(1<<bit) == 0 {
			j.fault(n.name, s.typ, "no signature of algorithm %d (RFC 4035 section 2.2)", a)
			return
		}
	}
	if at == apex {
		j.apexSigners(n, s)
	}
}

// rrsig judges one signature and returns its key, or nil when it is at fault.
func (j *judge) rrsig(n *owner, s *rrset, i, labels int) *publicKey {
	j.report.Signatures++
	raw := n.rrsig(i)
	r, err := parseRRSIG(raw)
	if err != nil {
		j.fault(n.name, s.typ, "%v", err)
		return nil
	}
	switch {
	case !equalNames(r.signer, j.origin):
		j.fault(n.name, s.typ, "signed by %s, not by the zone", nameString(lowered(r.signer)))
	case int(r.labels) != labels:
		j.fault(n.name, s.typ, "the signature is for %d labels, not %d", r.labels, labels)
	case r.ttl != s.ttl:
		j.fault(n.name, s.typ, "TTL %d, signed with %d", s.ttl, r.ttl)
	case n.sigs[i].ttl != s.ttl:
		j.fault(n.name, s.typ, "TTL %d, its signature's is %d", s.ttl, n.sigs[i].ttl)
	case int32(r.inception-j.now) > 0:
		j.fault(n.name, s.typ, "signature not valid before %s", j.moment(r.inception))
	case int64(int32(r.expiration-j.now)) < int64(j.o.Remaining/time.Second):
		j.fault(n.name, s.typ, "signature expires %s", j.moment(r.expiration))
	case n.again(s, i, r):
		j.fault(n.name, s.typ, "two signatures by key %d", r.tag)
	default:
		j.first = min(j.first, int32(r.expiration-j.now))
		return j.verify(n, s, raw, r)
	}
	return nil
}

// again reports whether an earlier signature over the set is by the same key.
func (n *owner) again(s *rrset, i int, r rrsig) bool {
	for k := s.from; k < i; k++ {
		if other := n.rrsig(k); be16(other[16:]) == r.tag && other[2] == r.algorithm {
			return true
		}
	}
	return false
}

// verify finds the key of a signature and has the signature verified.
func (j *judge) verify(n *owner, s *rrset, raw []byte, r rrsig) *publicKey {
	k := j.key(r)
	switch {
	case k == nil:
		j.fault(n.name, s.typ, "signed by key %d (algorithm %d), which is not in the DNSKEY set", r.tag, r.algorithm)
		return nil
	case k.flags&flagRevoke != 0 && s.typ != typeDNSKEY:
		j.fault(n.name, s.typ, "signed by the revoked key %d (RFC 5011 section 2.1)", r.tag)
		return nil
	case len(r.signature) != k.size:
		j.fault(n.name, s.typ, "a signature of %d octets by key %d", len(r.signature), r.tag)
		return nil
	case j.known != nil && j.known(n, s, raw):
		return k
	}
	if err := j.o.Signatures(Check{Owner: n.name, Type: s.typ, RRSIG: raw, set: s.data, key: k}); err != nil {
		j.refused(err)
		return nil
	}
	return k
}

// refused notes what Options.Signatures said: a fault, or a reason to stop.
func (j *judge) refused(err error) {
	var wrong *Error
	if !errors.As(err, &wrong) {
		j.stop = err
		return
	}
	for _, f := range wrong.Faults {
		j.fault(f.Owner, f.Type, "%s", f.Reason)
	}
}

// key returns the key that a signature names, or nil.
func (j *judge) key(r rrsig) *publicKey {
	for _, k := range j.keys {
		if k.tag == r.tag && k.algorithm == r.algorithm {
			return k
		}
	}
	return nil
}

// moment writes a time of an RRSIG (RFC 4034 section 3.1.5).
func (j *judge) moment(t uint32) string {
	return j.o.Now.Add(time.Duration(int32(t-j.now)) * time.Second).UTC().Format(time.RFC3339)
}

// equalNames compares a name of any case with one in lower case.
func equalNames(a, lower []byte) bool {
	if len(a) != len(lower) {
		return false
	}
	for i, c := range a {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
