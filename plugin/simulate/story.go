package simulate

import (
	"fmt"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// story is a zone that lives through one kind of rollover.
type story struct {
	name   string
	title  string
	length int // days
	scheme policy.Scheme
	events []Event
	change func(day int, p policy.Policy) []Event // policy changes
}

const storyDay = 24 * time.Hour

// begins is the day on which the rollover of a story begins: the zone is signed
// and delegated by then.
const begins = 7

var stories = []story{
	{name: "zsk", title: "ZSK rollover", length: 21,
		events: []Event{{At: begins * storyDay, Kind: Roll, Role: policy.ZSK}}},
	{name: "ksk", title: "KSK rollover", length: 14,
		events: []Event{{At: begins * storyDay, Kind: Roll, Role: policy.KSK}}},
	{name: "csk", title: "CSK rollover", length: 24, scheme: policy.SchemeCSK,
		events: []Event{{At: begins * storyDay, Kind: Roll, Role: policy.CSK}}},
	{name: "algorithm", title: "Algorithm rollover", length: 36, change: func(day int, p policy.Policy) []Event {
		p.Algorithm = policy.ED25519
		return []Event{changed(day, p, "algorithm ED25519")}
	}},
	{name: "scheme", title: "From KSK and ZSK to a CSK", length: 24, change: func(day int, p policy.Policy) []Event {
		p.Scheme = policy.SchemeCSK
		return []Event{changed(day, p, "scheme csk")}
	}},
	{name: "insecure", title: "Going insecure, and coming back", length: 21, change: func(day int, p policy.Policy) []Event {
		out := p
		out.Insecure = true
		return []Event{changed(day, out, "insecure"), changed(day+7, p, "signed again")}
	}},
	{name: "emergency", title: "Emergency rollover of KSK and ZSK", length: 14,
		events: []Event{{At: begins * storyDay, Kind: Emergency, Role: policy.KSK}, {At: begins * storyDay, Kind: Emergency, Role: policy.ZSK}}},
	{name: "nsec3", title: "NSEC to NSEC3, and back", length: 21, change: func(day int, p policy.Policy) []Event {
		hashed := p
		hashed.Denial = policy.Denial{NSEC3: true}
		return []Event{changed(day, hashed, "denial nsec3"), changed(day+7, p, "denial nsec")}
	}},
}

func changed(day int, p policy.Policy, text string) Event {
	return Event{At: time.Duration(day) * storyDay, Kind: SetPolicy, Policy: &p, Text: text}
}

// Stories returns the names of the stories.
func Stories() (names []string) {
	for _, s := range stories {
		names = append(names, s.name)
	}
	return names
}

// Story returns the setup of a story: a zone with the default policy whose
// parent takes a day for a new DS, and its title.
func Story(name string) (Setup, string, error) {
	for _, s := range stories {
		if s.name == name {
			return s.setup(), s.title, nil
		}
	}
	return Setup{}, "", fmt.Errorf("story %q is unknown; there are %s", name, strings.Join(Stories(), ", "))
}

func (s story) setup() Setup {
	p := policy.Default()
	p.Scheme = s.scheme
	p.ZSKLifetime = 0 // nothing rolls but what the story tells of
	events := s.events
	if s.change != nil {
		events = s.change(begins, p)
	}
	return Setup{
		Zone: "example.org.", Policy: p, For: time.Duration(s.length) * storyDay, Events: events,
		Parent: Parent{Zone: "org.", Delay: 24 * time.Hour, Spread: 2 * time.Hour, Fixed: true},
	}
}
