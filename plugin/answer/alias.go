package answer

import "github.com/autosign-dns/autosign/plugin/zone"

// redirect answers for a name below a DNAME, the n-th of the answer: the DNAME,
// and the CNAME that follows from it, unsigned (RFC 6672 sections 3.1 and 5.3.1).
func (r *responder) redirect(name *owner, key []byte, f found, n int) (next []byte) {
	r.res.Kind = Alias
	b := r.s.At(f.at)
	j := b.FindSet(f.at.Name, zone.TypeDNAME)
	o := name.above(zone.Labels(key[f.encloser:]))
	if _, fits := r.answerSet(&o, f.at, j); !fits {
		return nil
	}
	set := r.signedSet(f.at, j, maxTTL)
	target := set.set.Data[2:]
	prefix := name.wire[:len(name.wire)-len(o.wire)]
	if len(prefix)+len(target) > zone.MaxWire {
		r.res.Rcode = rcodeYXDomain
		return nil
	}
	next = append(append(r.targets[n&1][:0], prefix...), target...)
	if !r.synthesize(name, next, set.ttl) || r.q.Type == zone.TypeCNAME || r.q.Type == typeANY {
		return nil // the CNAME itself is an answer to these types
	}
	return next
}

// synthesize adds a CNAME record that is not in the zone to the answer section.
// It reports whether the answer goes on with its target.
func (r *responder) synthesize(name *owner, target []byte, ttl uint32) bool {
	m := r.mark()
	r.record(name, zone.TypeCNAME, ttl)
	at := len(r.buf)
	r.name(target)
	if !r.endRecord(answerSection, at) {
		r.truncate(m)
		return false
	}
	if !r.given.add(name.at, zone.TypeCNAME) {
		r.undo(m)
		return false
	}
	return true
}

// above returns the ancestor that a name has that many labels up. Of the
// question's name it is known where its ancestors stand.
func (o *owner) above(labels int) owner {
	n := 0
	for range labels {
		n += int(o.wire[n]) + 1
	}
	a := owner{wire: o.wire[n:]}
	if o.at == headerLen && len(a.wire) > 1 {
		a.at = uint16(headerLen + n)
	}
	return a
}
