package parent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// udpSize is the longest answer taken over UDP: it fits one Ethernet packet
	// (DNS flag day 2020).
	udpSize = 1232
	// udpTries is how often a question is sent over UDP; udpWait is how long the
	// first is waited for, each further one that much longer. tcpWait is how long
	// TCP may take.
	udpTries = 3
	udpWait  = 500 * time.Millisecond
	tcpWait  = 4 * time.Second
)

// errDoubt says that what came back was perhaps not sent by the server asked.
var errDoubt = errors.New("an answer to another question")

// query is what is asked, and how.
type query struct {
	name      string
	qtype     uint16
	recursive bool // the server may ask others; else it is to say what it knows itself
	validated bool // a resolver that validates is to withhold what is bogus
}

func (q query) message() *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.qtype)
	m.RecursionDesired = q.recursive
	// A chain that does not validate, the reason for asking perhaps, is to be
	// shown and not withheld (RFC 4035 section 3.2.2).
	m.CheckingDisabled = q.recursive && !q.validated
	m.SetEdns0(udpSize, false)
	return m
}

// ask sends a message to one server over UDP, and over TCP when the answer does
// not fit, none comes, or one that cannot be trusted.
func ask(ctx context.Context, address string, m *dns.Msg) (answer *dns.Msg, err error) {
	for i := range udpTries {
		answer, err = exchange(ctx, "udp", address, m, udpWait*time.Duration(i+1))
		if err == nil || errors.Is(err, errDoubt) || ctx.Err() != nil {
			break
		}
	}
	if (err != nil || answer.Truncated) && ctx.Err() == nil {
		answer, err = exchange(ctx, "tcp", address, m, tcpWait)
		if err == nil && answer.Truncated {
			err = errors.New("cuts its answer over TCP")
		}
	}
	return answer, err
}

// exchange sends the message once, under an ID of its own, and waits for an
// answer.
func exchange(ctx context.Context, network, address string, m *dns.Msg, wait time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m = m.Copy()
	m.Id = dns.Id()
	mixed := network == "udp" && m.Opcode == dns.OpcodeQuery && !m.RecursionDesired
	if mixed {
		m.Question[0].Name = mixCase(m.Question[0].Name)
	}
	client := dns.Client{Net: network, UDPSize: udpSize, Timeout: wait}
	conn, err := client.DialContext(ctx, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	answer, _, err := client.ExchangeWithConnContext(ctx, m, conn)
	if err != nil && ctx.Err() != nil { // not that the connection is closed
		return nil, fmt.Errorf("no answer in time over %s: %w", network, ctx.Err())
	}
	if err == nil && !answers(answer, m, mixed) {
		err = errDoubt
	}
	return answer, err
}

// mixCase gives the letters of a name a random case. A server sends the name back
// as it was asked, and somebody who only guesses does not know it.
func mixCase(name string) string {
	b := []byte(name)
	for i, c := range b {
		if l := c | 0x20; 'a' <= l && l <= 'z' && rand.IntN(2) == 0 {
			b[i] ^= 0x20
		}
	}
	return string(b)
}

// answers reports whether a message answers the one asked; exact: down to the
// case of the name.
func answers(answer, asked *dns.Msg, exact bool) bool {
	if !answer.Response || answer.Opcode != asked.Opcode || len(answer.Question) != 1 {
		return false
	}
	got, want := answer.Question[0], asked.Question[0]
	if exact && got.Name != want.Name {
		return false
	}
	return strings.EqualFold(got.Name, want.Name) && got.Qtype == want.Qtype && got.Qclass == want.Qclass
}

// withPort returns a server's address with a port.
func withPort(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), "53")
}
