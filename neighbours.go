package autosign

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
)

// altering are the plugins that make or alter answers where signatures cannot
// follow, with what each of them does.
var altering = map[string]string{
	"any":      "answers ANY itself, without signatures",
	"dns64":    "makes AAAA records that no signature covers",
	"siit":     "makes addresses that no signature covers",
	"autopath": "answers with a CNAME that no signature covers",
	"rewrite":  "changes names or answers under their signatures",
	"dnssec":   "signs the same names with other keys",
}

// before are the plugins that must not see a question before autosign: they
// answer it, or alter what comes back. transfer is among them, since it asks
// its sources in this order and would send the unsigned zone.
var before = []string{
	"header", "dnssec", "minimal", "template", "transfer", "dynupdate", "hosts", "route53", "azure", "clouddns",
	"k8s_external", "kubernetes", "file", "auto", "secondary", "etcd", "forward", "grpc", "erratic", "whoami", "nomad",
}

// checkNeighbours looks at the plugins of a server block. Those in front that
// would break signed answers are an error unless allowed.
func checkNeighbours(handlers []plugin.Handler, zones, allow []string) error {
	var faults []error
	at := slices.Index(dnsserver.Directives, name)
	for _, h := range handlers {
		n := h.Name()
		if d := slices.Index(dnsserver.Directives, n); d < at && slices.Contains(before, n) {
			faults = append(faults, fmt.Errorf("this build has %s in front of autosign: in plugin.cfg, "+
				"autosign belongs directly after cache", n))
		}
		why, alters := altering[n]
		if alters && concerns(h, zones) && !slices.Contains(allow, n) {
			faults = append(faults, fmt.Errorf("%s %s: take it out of the server block of %s, or say `allow %s`",
				n, why, strings.Join(zones, " "), n))
		}
	}
	return errors.Join(faults...)
}

// concerns reports whether an altering plugin has to do with some of the zones.
// Where that cannot be seen it has to do with all names of the server block.
// The plugins are not imported, which would link them into every build; what is
// asked of them is their exported fields.
func concerns(h plugin.Handler, zones []string) bool {
	v := reflect.Indirect(reflect.ValueOf(h))
	if v.Kind() != reflect.Struct {
		return true
	}
	switch h.Name() {
	case "autopath":
		if f := v.FieldByName("Zones"); f.IsValid() && f.CanInterface() {
			if list, ok := f.Interface().([]string); ok {
				return slices.ContainsFunc(zones, func(z string) bool { return overlap(list, z) })
			}
		}
	case "rewrite":
		if f := v.FieldByName("Rules"); f.IsValid() && f.Kind() == reflect.Slice {
			for i := range f.Len() {
				if altersAnswer(f.Index(i)) {
					return true
				}
			}
			return false
		}
	}
	return true
}

// altersAnswer reports whether a rule of rewrite changes more than EDNS options
// of the request. Its rules are not exported; their names say what they do.
func altersAnswer(rule reflect.Value) bool {
	if rule.Kind() == reflect.Interface {
		rule = rule.Elem()
	}
	return !strings.HasPrefix(rule.Type().String(), "*rewrite.edns0")
}

// overlap reports whether a zone is inside one of a list, or the other way round.
func overlap(list []string, zone string) bool {
	return plugin.Zones(list).Matches(zone) != "" ||
		slices.ContainsFunc(list, func(l string) bool { return plugin.Name(zone).Matches(l) })
}
