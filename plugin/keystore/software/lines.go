package software

import (
	"fmt"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
)

// field is one "Tag: value" of a file.
type field struct{ tag, value string }

type lines []field

// value returns the value of a tag, or "".
func (l lines) value(tag string) string {
	for _, f := range l {
		if f.tag == tag {
			return f.value
		}
	}
	return ""
}

// parseLines reads "Tag: value" lines; comments begin with a semicolon. Tags
// that nobody here knows are kept: newer tools may write them.
func parseLines(text string) (lines, error) {
	var l lines
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' {
			continue
		}
		tag, value, ok := strings.Cut(line, ":")
		if !ok || tag == "" {
			return nil, fmt.Errorf("line %d: \"Tag: value\" is expected", n)
		}
		if l.value(tag) != "" {
			return nil, fmt.Errorf("line %d: %s stands there twice", n, tag)
		}
		l = append(l, field{tag, strings.TrimSpace(value)})
	}
	return l, nil
}

// timeFormat is how BIND writes a time, in UTC.
const timeFormat = "20060102150405"

// timingTag is a time of timing metadata: its tag in .key and .private files, its
// tag in .state files, and where it is kept.
type timingTag struct {
	tag, state string
	field      func(*keystore.Timing) *time.Time
}

var timings = []timingTag{
	{"Created", "Generated", func(t *keystore.Timing) *time.Time { return &t.Created }},
	{"Publish", "Published", func(t *keystore.Timing) *time.Time { return &t.Publish }},
	{"Activate", "Active", func(t *keystore.Timing) *time.Time { return &t.Activate }},
	{"Revoke", "Revoked", func(t *keystore.Timing) *time.Time { return &t.Revoke }},
	{"Inactive", "Retired", func(t *keystore.Timing) *time.Time { return &t.Inactive }},
	{"Delete", "Removed", func(t *keystore.Timing) *time.Time { return &t.Delete }},
	{"SyncPublish", "PublishCDS", func(t *keystore.Timing) *time.Time { return &t.SyncPublish }},
	{"SyncDelete", "DeleteCDS", func(t *keystore.Timing) *time.Time { return &t.SyncDelete }},
}

// parseTiming takes the times among the fields of a .key or .private file. On an
// error the times that are well formed are returned all the same.
func parseTiming(l lines) (t keystore.Timing, err error) {
	for _, m := range timings {
		value := l.value(m.tag)
		if value == "" {
			continue
		}
		at, parseErr := time.Parse(timeFormat, value)
		if parseErr != nil {
			err = fmt.Errorf("%s: %q is not a time such as 20260102030405", m.tag, value)
			continue
		}
		*m.field(&t) = at
	}
	return t, err
}

// timingField is a time that is set.
type timingField struct {
	tag   string
	value time.Time
}

func timingFields(t keystore.Timing) []timingField {
	var set []timingField
	for _, m := range timings {
		if at := *m.field(&t); !at.IsZero() {
			set = append(set, timingField{m.tag, at.UTC()})
		}
	}
	return set
}

// parseState reads the text of a .state file, which BIND's dnssec-policy keeps
// beside a key: tags with their values, times as BIND writes them.
func parseState(text string) (map[string]string, error) {
	l, err := parseLines(text)
	if err != nil {
		return nil, err
	}
	if len(l) == 0 {
		return nil, fmt.Errorf("no state in it")
	}
	state := make(map[string]string, len(l))
	for _, f := range l {
		value := f.value
		// "20260102030405 (Fri Jan  2 03:04:05 2026)"
		if at, _, ok := strings.Cut(value, " "); ok {
			value = at
		}
		state[f.tag] = value
	}
	for _, m := range timings {
		if value, ok := state[m.state]; ok {
			if _, err := time.Parse(timeFormat, value); err != nil {
				return nil, fmt.Errorf("%s: %q is not a time such as 20260102030405", m.state, value)
			}
		}
	}
	return state, nil
}

// stateTiming takes the times of a .state file that parseState has read.
func stateTiming(state map[string]string) (t keystore.Timing) {
	for _, m := range timings {
		if at, err := time.Parse(timeFormat, state[m.state]); err == nil {
			*m.field(&t) = at
		}
	}
	return t
}
