package parent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	// udpSize is the longest answer taken over UDP: it fits one Ethernet packet
	// (DNS flag day 2020).
	udpSize = 1232
	// udpTries is how often a question is sent over UDP, and udpWait how long
	// each is waited for, at most.
	udpTries = 3
	udpWait  = 1500 * time.Millisecond
)

// askServer asks one server over UDP, and over TCP when the answer does not fit
// or none comes.
func askServer(ctx context.Context, server, zone string) (list []DS, err error) {
	address := withPort(server)
	var m *dns.Msg
	for range udpTries {
		if m, err = exchange(ctx, "udp", address, zone, udpWait); err == nil || ctx.Err() != nil {
			break
		}
	}
	if (err != nil || m.Truncated) && ctx.Err() == nil {
		m, err = exchange(ctx, "tcp", address, zone, 0)
	}
	if err == nil {
		list, err = judge(m, zone)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", server, err)
	}
	return list, nil
}

// exchange sends the question once and waits for an answer. With a wait of zero
// only the context bounds it.
func exchange(ctx context.Context, network, address, zone string, wait time.Duration) (*dns.Msg, error) {
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	m := new(dns.Msg)
	m.SetQuestion(zone, dns.TypeDS)
	m.RecursionDesired = true
	// A chain that does not validate, the reason for asking perhaps, is to be
	// shown and not withheld (RFC 4035 section 3.2.2).
	m.CheckingDisabled = true
	m.SetEdns0(udpSize, false)
	client := dns.Client{Net: network, UDPSize: udpSize}
	conn, err := client.DialContext(ctx, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	answer, _, err := client.ExchangeWithConnContext(ctx, m, conn)
	if err == nil && !slices.Equal(answer.Question, m.Question) {
		err = errors.New("an answer to another question")
	}
	if err != nil && ctx.Err() != nil { // not that the connection is closed
		err = fmt.Errorf("no answer in time over %s: %w", network, ctx.Err())
	}
	return answer, err
}

// judge returns the DS records that an answer proves to be there, or an error
// when it proves nothing.
func judge(m *dns.Msg, zone string) ([]DS, error) {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("answers %s", dns.RcodeToString[m.Rcode])
	}
	var list []DS
	for _, rr := range m.Answer {
		ds, ok := rr.(*dns.DS)
		if !ok || dns.CanonicalName(ds.Hdr.Name) != zone || ds.Hdr.Class != dns.ClassINET {
			continue
		}
		d, err := dsOf(ds)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	if len(list) == 0 {
		return nil, judgeAbsence(m, zone)
	}
	slices.SortFunc(list, DS.compare)
	return slices.CompactFunc(list, func(a, b DS) bool { return a.compare(b) == 0 }), nil
}

// judgeAbsence reports why an answer without DS records does not mean that there
// are none. That there are none is said by a zone above, and shown by its SOA
// (RFC 2308 section 2). The zone itself would say so too, and so do forwarders
// that do not know the type; neither knows.
func judgeAbsence(m *dns.Msg, zone string) error {
	for _, rr := range m.Ns {
		switch soa, ok := rr.(*dns.SOA); {
		case !ok:
		case dns.CanonicalName(soa.Hdr.Name) == zone:
			return errors.New("is a server of the zone itself and does not know its parent")
		case dns.IsSubDomain(dns.CanonicalName(soa.Hdr.Name), zone):
			return nil
		}
	}
	if slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeNS }) {
		return errors.New("only refers to other servers")
	}
	return errors.New("answers without DS and without the SOA of a zone above")
}
