package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/zone"
)

const (
	// maxFaults bounds the faults that one Load reports.
	maxFaults = 10
	// batchNames is how many names are packed together. The records of a zone are
	// spread over memory; reading the same field of many of them in a short
	// loop lets the processor wait for many of them at once.
	batchNames = 64
)

// packer brings records into wire form and adds them to a builder.
type packer struct {
	to *zone.Builder

	names []map[uint16][]dns.RR
	sets  [][]dns.RR
	seen  int // what the look at the records came to; of no meaning

	ownerText string // owner of the last record, and its wire form
	owner     []byte
	ownerBuf  [zone.MaxWire + 1]byte
	rdata     [zone.MaxWire + 1]byte

	msg    dns.Msg
	buf    []byte
	faults []error
}

// name takes the records of one name.
func (p *packer) name(types map[uint16][]dns.RR) {
	if p.names = append(p.names, types); len(p.names) == batchNames {
		p.flush()
	}
}

// flush packs the names taken.
func (p *packer) flush() {
	for _, types := range p.names {
		p.seen += len(types)
	}
	for _, types := range p.names {
		for _, rrs := range types {
			p.sets = append(p.sets, rrs)
		}
	}
	clear(p.names)
	p.names = p.names[:0]
	p.look()
	for _, rrs := range p.sets {
		p.pack(rrs)
	}
	clear(p.sets)
	p.sets = p.sets[:0]
}

// look reads each record of the batch, and then the octets that the records
// point to.
func (p *packer) look() {
	for _, rrs := range p.sets {
		for _, rr := range rrs {
			p.seen += int(rr.Header().Rrtype)
		}
	}
	for _, rrs := range p.sets {
		for _, rr := range rrs {
			p.seen += first(rr.Header().Name)
			switch rr := rr.(type) {
			case *dns.A:
				p.seen += first(rr.A)
			case *dns.AAAA:
				p.seen += first(rr.AAAA)
			case *dns.NS:
				p.seen += first(rr.Ns)
			}
		}
	}
}

// first reads the first octet of s, if there is one.
func first[S string | net.IP](s S) int {
	if len(s) == 0 {
		return 0
	}
	return int(s[0])
}

// pack adds records, in wire form.
func (p *packer) pack(rrs []dns.RR) {
	for _, rr := range rrs {
		if err := p.record(rr); err != nil {
			h := rr.Header()
			p.faults = append(p.faults, fmt.Errorf("%s %s: %w", h.Name, dns.Type(h.Rrtype), err))
		}
	}
}

// record adds one record. The types that most records are of need no message.
func (p *packer) record(rr dns.RR) error {
	var rdata []byte
	switch rr := rr.(type) {
	case *dns.A:
		rdata = rr.A.To4()
	case *dns.AAAA:
		if len(rr.AAAA) == net.IPv6len {
			rdata = rr.AAAA
		}
	case *dns.NS:
		n, err := dns.PackDomainName(rr.Ns, p.rdata[:], 0, nil, false)
		if err != nil {
			return err
		}
		rdata = p.rdata[:n]
	default:
		return p.message(rr)
	}
	h := rr.Header()
	if len(rdata) < shortest(h.Rrtype) {
		return errIncomplete
	}
	if h.Name != p.ownerText || p.owner == nil {
		n, err := dns.PackDomainName(h.Name, p.ownerBuf[:], 0, nil, false)
		if err != nil {
			return err
		}
		p.ownerText, p.owner = h.Name, p.ownerBuf[:n]
	}
	p.to.Add(p.owner, h.Rrtype, h.Class, h.Ttl, rdata)
	return nil
}

var errIncomplete = errors.New("RDATA is incomplete")

// headerLen is the length of a message header (RFC 1035 section 4.1.1).
const headerLen = 12

// message adds a record of any type by packing a message without compression
// into a buffer used again and again. Unlike dns.PackRR, which notes the length
// in the record's header, this leaves foreign records alone.
func (p *packer) message(rr dns.RR) error {
	p.msg.Answer = append(p.msg.Answer[:0], rr)
	msg, err := p.msg.PackBuffer(p.buf)
	p.msg.Answer[0] = nil
	if err != nil {
		return err
	}
	p.buf = msg[:cap(msg)]
	owner := headerLen
	for msg[owner] != 0 {
		owner += int(msg[owner]) + 1
	}
	owner++
	fixed := msg[owner:] // type, class, TTL, length of RDATA (RFC 1035 section 4.1.3)
	typ := binary.BigEndian.Uint16(fixed)
	rdata := fixed[10:]
	if len(rdata) < shortest(typ) {
		return errIncomplete
	}
	p.to.Add(msg[headerLen:owner], typ, binary.BigEndian.Uint16(fixed[2:]), binary.BigEndian.Uint32(fixed[4:]), rdata)
	return nil
}

// shortest returns how many octets the RDATA of a type has at least. A record
// written as "\# 0", which the parser takes for every type, is shorter.
func shortest(typ uint16) int {
	switch typ {
	case dns.TypeA:
		return 4
	case dns.TypeAAAA:
		return 16
	case dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypePTR, dns.TypeTXT:
		return 1
	case dns.TypeRP, dns.TypeMINFO:
		return 2
	case dns.TypeMX, dns.TypeAFSDB, dns.TypeRT, dns.TypeKX, dns.TypeSVCB, dns.TypeHTTPS:
		return 3
	case dns.TypePX:
		return 4
	case dns.TypeDS:
		return 5
	case dns.TypeSRV:
		return 7
	case dns.TypeNAPTR:
		return 8
	case dns.TypeSOA:
		return 22
	}
	return 0
}

// err returns the faults, the first of them when there are many.
func (p *packer) err() error {
	if more := len(p.faults) - maxFaults; more > 0 {
		p.faults = append(p.faults[:maxFaults], fmt.Errorf("and %d more", more))
	}
	return errors.Join(p.faults...)
}
