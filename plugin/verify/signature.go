package verify

import (
	"errors"
	"time"
)

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
			if a == k.algorithm && !k.revoked() {
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
	case k.revoked() && s.typ != typeDNSKEY:
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
