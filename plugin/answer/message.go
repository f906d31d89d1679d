package answer

import (
	"encoding/binary"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// message is a response under construction.
type message struct {
	buf    []byte
	base   int // offset of the message in buf
	limit  int // what len(buf) must not exceed before the OPT record is added
	counts [4]uint16
	names  names
}

// The sections of a message; their numbers index message.counts.
const (
	answerSection = 1 + iota
	authoritySection
	additionalSection
)

// Header bits (RFC 1035 section 4.1.1).
const (
	flagQR = 1 << 15
	flagAA = 1 << 10
	flagTC = 1 << 9
	flagRD = 1 << 8
)

const (
	headerLen  = 12
	minMessage = 512 // RFC 1035 section 4.2.1, RFC 6891 section 6.2.3
	maxMessage = 65535
	optLen     = 11 // an OPT record without options
	typeOPT    = 41
	optExpire  = 9  // RFC 7314
	optEDE     = 15 // RFC 8914
	expireLen  = 8  // the option with its header
	optHeader  = 4  // code and length of an option
	ednsDO     = 0x8000
	classIN    = 1
)

// begin starts the message: room for the header, and the question.
func (m *message) begin(dst []byte, q *Query, reserve int) {
	m.base = len(dst)
	size := q.MaxSize
	if size <= 0 || size > maxMessage {
		size = maxMessage
	}
	m.limit = m.base + max(size, minMessage) - reserve
	var header [headerLen]byte
	m.buf = append(dst, header[:]...)
	if len(q.Name) == 0 {
		return
	}
	m.name(q.Name)
	m.buf = binary.BigEndian.AppendUint16(m.buf, q.Type)
	m.buf = binary.BigEndian.AppendUint16(m.buf, q.Class)
	m.counts[0] = 1
}

// finish writes the header.
func (m *message) finish(q *Query, flags uint16, rcode int) []byte {
	h := m.buf[m.base:]
	flags |= flagQR | uint16(q.Opcode&15)<<11 | uint16(rcode&15)
	if q.RD {
		flags |= flagRD
	}
	binary.BigEndian.PutUint16(h, q.ID)
	binary.BigEndian.PutUint16(h[2:], flags)
	for i, n := range m.counts {
		binary.BigEndian.PutUint16(h[4+2*i:], n)
	}
	return m.buf
}

// owner is the owner name of a record that is to be written.
type owner struct {
	wire []byte
	at   uint16 // where the name stands in the message; 0: not known to be there
}

// record appends a record up to its RDATA, whose end endRecord has to be told.
func (m *message) record(o *owner, typ uint16, ttl uint32) {
	if o.at != 0 {
		m.buf = append(m.buf, 0xc0|byte(o.at>>8), byte(o.at))
	} else {
		o.at = m.name(o.wire)
	}
	m.buf = append(m.buf, byte(typ>>8), byte(typ), 0, classIN,
		byte(ttl>>24), byte(ttl>>16), byte(ttl>>8), byte(ttl), 0, 0)
}

// endRecord closes the record whose RDATA began at rdata. It reports whether
// the message is still within its limit.
func (m *message) endRecord(section, rdata int) bool {
	binary.BigEndian.PutUint16(m.buf[rdata-2:], uint16(len(m.buf)-rdata))
	m.counts[section]++
	return len(m.buf) <= m.limit
}

// mark is a point to which a message can be taken back.
type mark struct {
	octets, names int
	counts        [4]uint16
}

func (m *message) mark() mark { return mark{len(m.buf), m.names.n, m.counts} }

func (m *message) undo(to mark) {
	m.buf, m.names.n, m.counts = m.buf[:to.octets], to.names, to.counts
}

// records appends the records of an RRset. It reports whether they fit.
func (m *message) records(section int, o *owner, set zone.Set, ttl uint32) bool {
	for d := set.Data; len(d) >= 2; {
		n := 2 + int(d[0])<<8 + int(d[1])
		m.record(o, set.Type, ttl)
		at := len(m.buf)
		m.rdata(set.Type, d[2:n:n])
		if !m.endRecord(section, at) {
			return false
		}
		d = d[n:]
	}
	return true
}

// Types whose RDATA may have compressed names: those of RFC 1035 (RFC 3597 section 4).
const (
	typeA     = 1
	typeMD    = 3
	typeMF    = 4
	typeMB    = 7
	typeMG    = 8
	typeMR    = 9
	typePTR   = 12
	typeMINFO = 14
	typeMX    = 15
	typeAAAA  = 28
)

// rdata appends RDATA, with names compressed where that is allowed.
func (m *message) rdata(typ uint16, rd []byte) {
	skip, names := 0, 0
	switch typ {
	case zone.TypeNS, zone.TypeCNAME, typePTR, typeMD, typeMF, typeMB, typeMG, typeMR:
		names = 1
	case zone.TypeSOA, typeMINFO:
		names = 2
	case typeMX:
		skip, names = 2, 1
	default:
		m.buf = append(m.buf, rd...)
		return
	}
	if skip > len(rd) {
		skip, names = len(rd), 0
	}
	m.buf = append(m.buf, rd[:skip]...)
	for rd = rd[skip:]; names > 0; names-- {
		n := nameLen(rd)
		if n == 0 {
			break
		}
		m.name(rd[:n])
		rd = rd[n:]
	}
	m.buf = append(m.buf, rd...)
}

// nameLen returns the length of the name at the front of rd, or 0 where no
// well-formed name is.
func nameLen(rd []byte) int {
	off := 0
	for off < len(rd) && rd[off] != 0 {
		if rd[off] > 63 {
			return 0
		}
		off += int(rd[off]) + 1
	}
	if off >= len(rd) || off >= zone.MaxWire {
		return 0
	}
	return off + 1
}

// opt appends the OPT record (RFC 6891 section 6.1.2) and returns the offset of
// its RDATA length, so that options can follow.
func (m *message) opt(q *Query, rcode int) (length int) {
	flags := uint16(0)
	if q.DO {
		flags = ednsDO
	}
	m.buf = append(m.buf, 0, 0, typeOPT, byte(q.UDPSize>>8), byte(q.UDPSize),
		byte(rcode>>4), 0, byte(flags>>8), byte(flags), 0, 0)
	m.counts[additionalSection]++
	return len(m.buf) - 2
}

// option appends an option's header; its data follows.
func (m *message) option(length int, code uint16, size int) {
	m.buf = binary.BigEndian.AppendUint16(m.buf, code)
	m.buf = binary.BigEndian.AppendUint16(m.buf, uint16(size))
	total := binary.BigEndian.Uint16(m.buf[length:]) + uint16(optHeader+size)
	binary.BigEndian.PutUint16(m.buf[length:], total)
}
