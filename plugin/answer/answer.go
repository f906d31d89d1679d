package answer

import "github.com/autosign-dns/autosign/plugin/zone"

// Append appends to dst the response to q from the signed zone s. The question's
// name must be at or below the zone's origin (else the response is REFUSED).
func Append(dst []byte, s *zone.Signed, q *Query) ([]byte, Result) {
	return dst, Result{}
}

// AppendError appends a response without records: the response code, and in the
// OPT record, if the query had one, an extended DNS error (RFC 8914) unless ede
// is NoEDE.
func AppendError(dst []byte, q *Query, rcode int, ede uint16, text string) []byte {
	return dst
}
