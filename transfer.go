package autosign

import (
	"fmt"

	"github.com/coredns/coredns/plugin/transfer"
	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/sign"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// transferBatch is how many records go to the transfer plugin at a time.
const transferBatch = 500

// Transfer implements transfer.Transferer. Only the signed copy is handed out.
// Until there is one the error is not transfer.ErrNotAuthoritative: with that
// the transfer plugin would go on to the source and send the zone unsigned.
func (a *Autosign) Transfer(origin string, serial uint32) (<-chan []dns.RR, error) {
	var buf [zone.MaxWire]byte
	wire, ok := appendWire(buf[:0], origin)
	if !ok {
		return nil, transfer.ErrNotAuthoritative
	}
	folded := appendFolded(nil, wire)
	s := a.zones.find(folded)
	if s == nil || len(s.origin) != len(folded) {
		return nil, transfer.ErrNotAuthoritative
	}
	v := s.served.Load()
	if v == nil {
		return nil, fmt.Errorf("%s: transfer: %s", s.zone, s.excuse())
	}
	out := make(chan []dns.RR)
	if serial != 0 && !sign.SerialAfter(v.signed.Serial, serial) {
		go sendSOA(out, v.signed)
	} else {
		go sendZone(out, v.signed)
	}
	return out, nil
}

// sendSOA tells a secondary that it has the newest version.
func sendSOA(out chan<- []dns.RR, s *zone.Signed) {
	defer close(out)
	if soa := soaOf(s); soa != nil {
		out <- []dns.RR{soa}
	}
}

// sendZone sends all records, the SOA first and last (RFC 5936 section 2.2).
// The reader takes all of them: the transfer plugin reads on even when its
// client is gone.
func sendZone(out chan<- []dns.RR, s *zone.Signed) {
	defer close(out)
	batch := make([]dns.RR, 0, transferBatch)
	for r := range s.SignedRecords() {
		rr, err := unpack(r)
		if err != nil {
			// Without its closing SOA a transfer is incomplete, and no secondary takes it.
			log.Errorf("%s transfer ended: %s cannot be sent: %v", zone.Text(s.Origin()), zone.Text(r.Owner), err)
			return
		}
		if batch = append(batch, rr); len(batch) == transferBatch {
			out <- batch
			batch = make([]dns.RR, 0, transferBatch)
		}
	}
	if soa := soaOf(s); soa != nil {
		out <- append(batch, soa)
	}
}

func soaOf(s *zone.Signed) dns.RR {
	rdata, ttl := s.SOA()
	soa, err := unpack(zone.Record{Owner: s.Origin(), Type: zone.TypeSOA, TTL: ttl, RData: rdata})
	if err != nil {
		return nil
	}
	return soa
}

// unpack turns a record into the form that CoreDNS and miekg/dns use.
func unpack(r zone.Record) (dns.RR, error) {
	h := dns.RR_Header{
		Name:     zone.Text(r.Owner),
		Rrtype:   r.Type,
		Class:    dns.ClassINET,
		Ttl:      r.TTL,
		Rdlength: uint16(len(r.RData)),
	}
	rr, _, err := dns.UnpackRRWithHeader(h, r.RData, 0)
	return rr, err
}
