// Package answer makes responses to questions about a signed zone: a question
// in, a complete message in wire form out, nothing allocated. It follows the
// algorithm of RFC 1034 section 4.3.2 with RFC 4592 (wildcards), RFC 6672
// (DNAME) and the proofs of RFC 4035 section 3.1 and RFC 5155 section 7.2.
package answer

// Query is a question as it came in, and what bounds its answer.
type Query struct {
	ID     uint16
	Opcode uint8
	RD     bool
	CD     bool   // not copied into responses: RFC 4035 section 3.1.6
	Name   []byte // wire form, uncompressed, of the case in which it was asked
	Type   uint16
	Class  uint16

	EDNS    bool   // the query had an OPT record, so the response has one
	DO      bool   // RFC 3225
	UDPSize uint16 // what the response's OPT announces as the server's payload size
	MaxSize int    // octets that the response may have; 0 means 65535
	Expire  bool   // the query asked for EDNS EXPIRE (RFC 7314)

	Now int64 // seconds since 1970
}

// Result says what a response is.
type Result struct {
	Rcode     int // also in the message; above 15 in header and OPT together
	Truncated bool
	Kind      Kind
}

// Kind is the kind of an answer: of the last name when it follows aliases.
type Kind uint8

// The kinds of answers.
const (
	Failure   Kind = iota // no answer from zone data
	Positive              // the RRset asked for
	Wildcard              // the RRset asked for, made from a wildcard
	Alias                 // a CNAME or DNAME whose target is left to the resolver
	NoData                // the name is there, the type is not
	NameError             // the name is not there
	Referral              // a delegation
)

var kindNames = [...]string{"failure", "positive", "wildcard", "alias", "nodata", "nxdomain", "referral"}

func (k Kind) String() string { return kindNames[k] }

// NoEDE stands for "no extended DNS error" in AppendError.
const NoEDE = 0xffff

// Response codes (RFC 1035 section 4.1.1, RFC 6672 section 2.2).
const (
	rcodeSuccess  = 0
	rcodeFormErr  = 1
	rcodeNXDomain = 3
	rcodeNotImp   = 4
	rcodeRefused  = 5
	rcodeYXDomain = 6
)
