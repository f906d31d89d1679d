package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// year is what y stands for in a duration.
const year = 365 * 24 * time.Hour

// duration is a flag of a duration: a Corefile's, and years.
type duration time.Duration

// parseDuration reads a duration: a Corefile's, or whole years before one.
func parseDuration(s string) (time.Duration, error) {
	var years time.Duration
	if head, tail, ok := strings.Cut(s, "y"); ok {
		n, err := strconv.ParseUint(head, 10, 8)
		if err != nil {
			return 0, errors.New(strconv.Quote(s) + " is not a duration such as 90m, 14d or 10y")
		}
		if years = time.Duration(n) * year; tail == "" {
			return years, nil
		}
		s = tail
	}
	d, err := policy.ParseDuration(s)
	return years + d, err
}

// Set reads the flag.
func (d *duration) Set(s string) error {
	v, err := parseDuration(s)
	*d = duration(v)
	return err
}

// String writes the duration as it is read, without needless units.
func (d duration) String() string {
	if v := time.Duration(d); v >= year && v%year == 0 {
		return strconv.Itoa(int(v/year)) + "y"
	}
	return policy.FormatDuration(time.Duration(d))
}

// list is a flag that may be given again.
type list []string

// Set adds what a flag says.
func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

func (l list) String() string { return strings.Join(l, "; ") }

// property is a flag for one property of a Corefile.
type property struct {
	words string
	to    *list
}

// Set writes the property as a Corefile would.
func (p *property) Set(s string) error { return p.to.Set(p.words + " " + s) }

// inDays writes years, which a Corefile does not know, as days.
func inDays(word string) string {
	number := strings.TrimRight(word, "y")
	if _, err := strconv.ParseUint(number, 10, 8); err != nil || number == word {
		return word
	}
	d, err := parseDuration(word)
	if err != nil {
		return word
	}
	return policy.FormatDuration(d)
}

func (p *property) String() string { return "" }

// properties are the flags that stand for the most used properties.
var properties = []struct{ flag, words string }{
	{"algorithm", "algorithm"},
	{"scheme", "scheme"},
	{"ksk-lifetime", "ksk lifetime"},
	{"zsk-lifetime", "zsk lifetime"},
	{"csk-lifetime", "csk lifetime"},
	{"signatures-validity", "signatures_validity"},
	{"signatures-refresh", "signatures_refresh"},
	{"dnskey-ttl", "dnskey_ttl"},
	{"publish-safety", "publish_safety"},
	{"retire-safety", "retire_safety"},
	{"purge-keys", "purge_keys"},
	{"zone-propagation-delay", "zone_propagation_delay"},
}
