package answer

import (
	"encoding/binary"
)

// edns adds the OPT record, for which room was kept.
func (r *responder) edns() {
	length := r.opt(&r.q, r.res.Rcode)
	if r.q.Expire && r.soaAnswer {
		r.option(length, optExpire, 4)
		r.buf = binary.BigEndian.AppendUint32(r.buf, r.expire())
	}
}

// expire returns for how many seconds a secondary may serve what it has (RFC
// 7314 section 2): the SOA's expire value, but no longer than all signatures last.
func (r *responder) expire() uint32 {
	const fromEnd = 8 // the SOA ends with expire and minimum
	rd, _ := r.s.SOA()
	if len(rd) < fromEnd {
		return 0
	}
	expire := binary.BigEndian.Uint32(rd[len(rd)-fromEnd:])
	if r.s.Expiry == 0 {
		return expire
	}
	return uint32(min(int64(expire), max(r.s.Expiry-r.q.Now, 0), maxTTL))
}
