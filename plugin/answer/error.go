package answer

import "encoding/binary"

// AppendError appends a response without records: the response code, and in the
// OPT record, if the query had one, an extended DNS error (RFC 8914 section 2)
// unless ede is NoEDE. The text is cut to what fits.
func AppendError(dst []byte, q *Query, rcode int, ede uint16, text string) []byte {
	var m message
	m.begin(dst, q, 0)
	if q.EDNS {
		length := m.opt(q, rcode)
		if ede != NoEDE {
			room := max(m.limit-len(m.buf)-optHeader-2, 0)
			text = text[:min(len(text), room)]
			m.option(length, optEDE, 2+len(text))
			m.buf = binary.BigEndian.AppendUint16(m.buf, ede)
			m.buf = append(m.buf, text...)
		}
	}
	return m.finish(q, 0, rcode)
}
