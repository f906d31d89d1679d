package parent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Server is what one address of one server of the parent said.
type Server struct {
	Name     string // host name with the final dot, or the agent as it was given
	Address  string // with the port; empty if none was found
	DS       []DS   // in order; none and no error: it is certain that it has none
	Resolver bool   // it does not speak for the parent: TTLs are what is left of them
	Err      error  // why it is not known what it has
}

// String names the server.
func (s Server) String() string {
	if s.Address == "" || s.Address == withPort(s.Name) {
		return s.Name
	}
	return s.Name + " (" + s.Address + ")"
}

// Look is what the servers of the parent had when all of them were asked.
type Look struct {
	At      time.Time // when the last of them had answered
	Zone    string    // the parent's name; empty if agents do not tell
	Servers []Server  // all addresses of all servers, at least one
	TTL     uint32    // seconds; the longest of the DS records of all, 0 without any; the parent's is longer where Resolvers names one
}

// Look asks every address of every server of the parent for the DS records. A
// server that cannot be reached, or whose answer proves nothing, has its error,
// and what it has is unknown. Look itself fails if the servers cannot be found:
// ErrUnreachable, or ErrNoParent for the root. The context bounds the whole.
func (o Observer) Look(ctx context.Context, zone string) (Look, error) {
	zone = dns.CanonicalName(zone)
	if zone == "." {
		return Look{}, ErrNoParent
	}
	var l Look
	if len(o.Agents) > 0 {
		l.Servers = o.askAgents(ctx, zone)
		l.Zone = parentKnownTo(ctx, l.Servers, zone)
	} else {
		var err error
		if l.Zone, l.Servers, err = o.askParent(ctx, zone); err != nil {
			return Look{}, fmt.Errorf("parent of %s: %w", zone, err)
		}
	}
	l.At = time.Now().UTC()
	for _, s := range l.Servers {
		for _, d := range s.DS {
			l.TTL = max(l.TTL, d.TTL)
		}
	}
	return l, nil
}

// Agree returns the DS records that all servers have, each with its longest TTL.
// The error wraps ErrUnreachable if one does not tell, or ErrDisagree.
func (l Look) Agree() ([]DS, error) {
	var errs []error
	for _, s := range l.Servers {
		if s.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s, s.Err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if len(l.Servers) == 0 {
		return nil, fmt.Errorf("%w: no server is known", ErrUnreachable)
	}
	all := slices.Clone(l.Servers[0].DS)
	for _, s := range l.Servers[1:] {
		if !slices.EqualFunc(all, s.DS, DS.Equal) {
			return nil, fmt.Errorf("%w: %s has %s, %s has %s",
				ErrDisagree, l.Servers[0], describe(all), s, describe(s.DS))
		}
		for j := range all {
			all[j].TTL = max(all[j].TTL, s.DS[j].TTL)
		}
	}
	return all, nil
}

// Seen returns at how many of the servers such a DS is. Those that do not tell
// do not count; that it is nowhere is known only if all of them tell.
func (l Look) Seen(such func(DS) bool) (seen int) {
	for _, s := range l.Servers {
		if s.Err == nil && slices.ContainsFunc(s.DS, such) {
			seen++
		}
	}
	return seen
}

// Resolvers names the agents that are resolvers: of the parent's TTL they show
// what is left, and what it has they may tell late.
func (l Look) Resolvers() (names []string) {
	for _, s := range l.Servers {
		if s.Resolver {
			names = append(names, s.Name)
		}
	}
	return slices.Compact(names)
}

// describe is a list of DS records as words.
func describe(list []DS) string {
	if len(list) == 0 {
		return "no DS"
	}
	words := make([]string, len(list))
	for i, d := range list {
		words[i] = "DS " + d.String()
	}
	return strings.Join(words, ", ")
}

// askParent finds the parent and its servers and asks them.
func (o Observer) askParent(ctx context.Context, zone string) (string, []Server, error) {
	parent, err := parentOf(zone, func(q query) (*dns.Msg, error) { return o.resolve(ctx, q, judgeRcode) })
	if err != nil {
		return "", nil, err
	}
	list, err := o.serversOf(ctx, parent, true)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	q := query{name: zone, qtype: dns.TypeDS}
	each(list, func(s *Server) {
		var m *dns.Msg
		if m, s.Err = s.ask(ctx, q); s.Err == nil {
			s.DS, s.Err = judge(m, zone, parent)
		}
	})
	return parent, list, nil
}

// askAgents asks the agents.
func (o Observer) askAgents(ctx context.Context, zone string) []Server {
	list := o.agents(ctx)
	q := query{name: zone, qtype: dns.TypeDS, recursive: true}
	each(list, func(s *Server) {
		var m *dns.Msg
		if m, s.Err = s.ask(ctx, q); s.Err == nil {
			s.DS, s.Err = judge(m, zone, "")
			s.Resolver = s.Err == nil && !m.Authoritative
		}
	})
	return list
}

// parentKnownTo returns the parent's name as the first agent that tells has it.
func parentKnownTo(ctx context.Context, list []Server, zone string) string {
	for _, s := range list {
		if s.Err != nil {
			continue
		}
		parent, err := parentOf(zone, func(q query) (*dns.Msg, error) {
			m, err := s.ask(ctx, q)
			if err == nil {
				err = judgeSource(m, true)
			}
			return m, err
		})
		if err == nil {
			return parent
		}
	}
	return ""
}
