package autosign

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/metrics"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// report tells what a look brought that is new.
func (w *watch) report(before, seen rollover.Observation, keys map[string]key.Key, err error) {
	for _, id := range slices.Sorted(maps.Keys(keys)) {
		was, is := sightOf(before, id), sightOf(seen, id)
		if is.has+is.lacks > 0 && was.tells() != is.tells() && (!before.At.IsZero() || is.has > 0) {
			w.tell(event.Event{Kind: event.DSChanged, Key: id, Tag: keys[id].Tag, From: was.String(), To: is.String(),
				Why: "of " + seen.Zone, Next: seen.Next})
		}
	}
	for _, tag := range seen.Unknown {
		if !slices.Contains(before.Unknown, tag) {
			w.tell(event.Event{Kind: event.DSUnknown, Record: fmt.Sprintf("%s IN DS %d", w.zone, tag), Next: seen.Next,
				Why: "it is of a key elsewhere, or of one that is no more; have the parent take it away if nobody needs it"})
		}
	}
	if astray(seen) && !astray(before) {
		w.tell(event.Event{Kind: event.ChainBroken, Record: fmt.Sprintf("%s IN DS %s", w.zone, strings.Trim(fmt.Sprint(seen.Unknown), "[]")), Next: seen.Next,
			Why: "validators find the zone bogus; put back the keys that these records are of, or the DS records of the keys here"})
	}
	w.reportSilence(before, seen, err)
}

// astray reports whether the parent has DS records, and none of a key of the zone.
func astray(o rollover.Observation) bool {
	return len(o.Unknown) > 0 && !slices.ContainsFunc(o.Servers, func(s rollover.Server) bool { return len(s.Keys) > 0 })
}

// reportSilence tells once of servers that do not answer, and says why.
func (w *watch) reportSilence(before, seen rollover.Observation, err error) {
	if err != nil {
		if !allSilent(before) {
			w.tell(event.Event{Kind: event.ParentUnclear, Err: err, Next: seen.Next})
		}
		return
	}
	for _, s := range seen.Servers {
		known := slices.ContainsFunc(before.Servers, func(o rollover.Server) bool { return o.Name == s.Name && o.Err != "" })
		if s.Err != "" && !known {
			w.tell(event.Event{Kind: event.ParentUnclear, Why: "server " + s.Name + " of " + seen.Zone + ": " + s.Err, Next: seen.Next})
		}
	}
}

// newResolvers returns the agents that a look shows to be resolvers, and that were
// not told of before. The lock is held.
func (w *watch) newResolvers(raw parent.Look) (names []string) {
	for _, name := range raw.Resolvers() {
		if !slices.Contains(w.cached, name) {
			names = append(names, name)
		}
	}
	w.cached = slices.Concat(w.cached, names)
	return names
}

// warnOfResolvers tells what it means that agents do not speak for the parent.
func (w *watch) warnOfResolvers(names []string) {
	if len(names) > 0 {
		w.tell(event.Event{Kind: event.Warned, Why: fmt.Sprintf("of the agents of the parent, %s answer from a cache: "+
			"they may tell of a change late, and of the TTL of the DS they show what is left, so that ds_ttl (%s) has to be the parent's",
			strings.Join(names, ", "), policy.FormatDuration(w.policy.DSTTL))})
	}
}

// allSilent reports whether a look was made and no server answered.
func allSilent(o rollover.Observation) bool {
	return len(o.Servers) > 0 && !slices.ContainsFunc(o.Servers, func(s rollover.Server) bool { return s.Err == "" })
}

// sight is at how many of the parent's servers a DS is.
type sight struct{ has, lacks, servers int }

func sightOf(o rollover.Observation, id string) sight {
	v := sight{servers: len(o.Servers)}
	for _, s := range o.Servers {
		switch {
		case slices.Contains(s.Keys, id):
			v.has++
		case s.Err == "":
			v.lacks++
		}
	}
	return v
}

// tells is what of a sight is worth a line in the log: servers that do not
// answer are told of by themselves.
func (v sight) tells() [2]bool { return [2]bool{v.has > 0, v.lacks > 0} }

// String says it in words.
func (v sight) String() string {
	if silent := v.servers - v.has - v.lacks; silent > 0 {
		return fmt.Sprintf("at %d of %d servers, %d silent", v.has, v.servers, silent)
	}
	return fmt.Sprintf("at %d of %d servers", v.has, v.servers)
}

// measureParent sets the gauges of the parent.
func measureParent(zone, view string, set *rollover.KeySet, o rollover.Observation) {
	p := metrics.Parent{Wanted: len(set.Delegated()), Unknown: len(o.Unknown)}
	for _, k := range set.Keys {
		switch v := sightOf(o, k.ID); {
		case v.has > 0 && v.has == v.servers:
			p.Seen++
		case v.has > 0:
			p.Partly++
		}
	}
	for _, s := range o.Servers {
		if s.Err == "" {
			p.Answering++
		} else {
			p.Silent++
		}
	}
	if p.Answering > 0 {
		p.Looked = o.At
	}
	metrics.SeeParent(zone, view, p)
}
