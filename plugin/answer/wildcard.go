package answer

import "github.com/autosign-dns/autosign/plugin/denial"

// wildcard answers for a name that does not exist from the wildcard that stands
// for it (RFC 4592 section 3.3, RFC 4035 sections 3.1.3.3 and 3.1.3.4).
func (r *responder) wildcard(name *owner, key []byte, f found) (next []byte) {
	next, found := r.data(name, f.at)
	switch found {
	case NoData:
		r.negative = true
		r.res.Kind = NoData
		if r.dnssec {
			r.proofs.add(denial.WildcardNoData(r.s, key, f.before, f.encloser, f.at))
		}
		return nil
	case Positive:
		r.res.Kind = Wildcard
	default:
		r.res.Kind = Alias
	}
	if r.dnssec {
		r.proofs.add(denial.WildcardAnswer(r.s, key, f.before, f.encloser))
	}
	return next
}
