package policy

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestDefault_IsCompleteAndSafe(t *testing.T) {
	faults, warnings := Default().Check()
	if len(faults) != 0 || len(warnings) != 0 {
		t.Errorf("faults %v, warnings %v; want none", faults, warnings)
	}
}

func texts(errs []error) (list []string) {
	for _, err := range errs {
		if _, ok := errors.AsType[*Fault](err); !ok {
			list = append(list, "not a *Fault:")
		}
		list = append(list, err.Error())
	}
	return list
}

func TestCheck_NamesTheInequalityInNumbers(t *testing.T) {
	tests := []struct {
		name     string
		change   func(p *Policy)
		faults   []string
		warnings []string
	}{
		{"RefreshEqualsValidity", func(p *Policy) { p.Refresh = 14 * day },
			[]string{"signatures_refresh 14d is not less than signatures_validity 14d: every signature would be due at once"}, nil},
		{"RefreshMoreThanValidityDNSKEY", func(p *Policy) { p.ValidityDNSKEY = 4 * day },
			[]string{"signatures_refresh 5d is not less than signatures_validity_dnskey 4d: every signature would be due at once"}, nil},
		{"PeriodUnderFourSlots", func(p *Policy) { p.Validity, p.Refresh = 5*day+3*time.Second, 5*day },
			[]string{"signatures_validity 5d3s - signatures_refresh 5d = 3s is less than 4 slots of 1s: signatures could not be spread"}, nil},
		{"PeriodOfFourSlotsIsEnough", func(p *Policy) { p.Validity, p.Refresh = 5*day+4*time.Second, 5*day }, nil, nil},
		{"ValidityZero", func(p *Policy) { p.Validity = 0 },
			[]string{"signatures_validity 0s is not more than 0"}, nil},
		{"ValidityBeyondSerialArithmetic", func(p *Policy) { p.Validity = 20000 * day },
			[]string{"signatures_validity 20000d is more than 3650d"}, nil},
		{"RefreshUnderDNSKEYTTL", func(p *Policy) { p.Refresh = time.Hour },
			[]string{"signatures_refresh 1h is less than dnskey_ttl 1h + zone_propagation_delay 5m = 1h5m: caches would outlive signatures"}, nil},
		{"RefreshOfDNSKEYTTLAndPropagation", func(p *Policy) { p.Refresh = 65 * time.Minute }, nil, nil},
		{"TTLZero", func(p *Policy) { p.DNSKEYTTL = 0 },
			[]string{"dnskey_ttl 0s is not between 1s and 7d"}, nil},
		{"TTLTooLong", func(p *Policy) { p.DNSKEYTTL = 8 * 86400 },
			[]string{"dnskey_ttl 8d is not between 1s and 7d"}, nil},
		{"BitsForECDSA", func(p *Policy) { p.ZSKBits = 2048 },
			[]string{"zsk bits 2048: keys of ECDSAP256SHA256 have one length, bits is for RSA only"}, nil},
		{"BitsTooFew", func(p *Policy) { p.Algorithm, p.KSKBits, p.ZSKBits = RSASHA256, 1023, 1024 },
			[]string{"ksk bits 1023: an RSA key has 1024 to 4096 bits"}, nil},
		{"BitsTooMany", func(p *Policy) { p.Algorithm, p.Scheme, p.CSKBits = RSASHA512, SchemeCSK, 4097 },
			[]string{"csk bits 4097: an RSA key has 1024 to 4096 bits"}, nil},
		{"BitsOfARoleThatTheSchemeLacks", func(p *Policy) { p.Algorithm, p.CSKBits = RSASHA256, 2048 },
			[]string{"csk bits 2048: scheme split has no csk"}, nil},
		{"SchemeCSKHasNoZSK", func(p *Policy) { p.Algorithm, p.Scheme, p.ZSKBits = RSASHA256, SchemeCSK, 2048 },
			[]string{"zsk bits 2048: scheme csk has no zsk"}, nil},
		{"Algorithm", func(p *Policy) { p.Algorithm = 5 },
			[]string{"algorithm 5 (RSASHA1) must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"}, nil},
		{"Iterations50Warn", func(p *Policy) { p.Denial = Denial{NSEC3: true, Iterations: 50} }, nil,
			[]string{"denial nsec3 iterations 50: RFC 9276 section 3.1 says 0; some validators treat others as insecure"}},
		{"Iterations51AreRefused", func(p *Policy) { p.Denial = Denial{NSEC3: true, Iterations: 51} },
			[]string{"denial nsec3 iterations 51 is more than 50: validators treat such a zone as insecure or fail (RFC 9276 section 3.2)"}, nil},
		{"SaltWarns", func(p *Policy) { p.Denial = Denial{NSEC3: true, SaltLength: 8} }, nil,
			[]string{"denial nsec3 salt_length 8: RFC 9276 section 3.1 says 0; a salt brings nothing"}},
		{"SaltTooLong", func(p *Policy) { p.Denial = Denial{NSEC3: true, SaltLength: 256} },
			[]string{"denial nsec3 salt_length 256 is not 0 to 255"}, nil},
		{"SaltOfMostOctetsWarns", func(p *Policy) { p.Denial = Denial{NSEC3: true, SaltLength: 255} }, nil,
			[]string{"denial nsec3 salt_length 255: RFC 9276 section 3.1 says 0; a salt brings nothing"}},
		{"NSECHasNoOptOut", func(p *Policy) { p.Denial = Denial{OptOut: true} },
			[]string{"denial nsec has no optout, salt or iterations: they are NSEC3's"}, nil},
		{"OptOutAloneIsFine", func(p *Policy) { p.Denial = Denial{NSEC3: true, OptOut: true} }, nil, nil},
		{"Workers", func(p *Policy) { p.Workers = -1 },
			[]string{"workers -1: 1 to 1024 are possible, 0 is the default"}, nil},
		{"MassChange", func(p *Policy) { p.MassChange = 101 },
			[]string{"mass_change 101: a percentage is 0 to 100"}, nil},
		{"MassChangeNegative", func(p *Policy) { p.MassChange = -1 },
			[]string{"mass_change -1: a percentage is 0 to 100"}, nil},
		{"MassChangeOfAll", func(p *Policy) { p.MassChange = 100 }, nil, nil},
		{"LifetimeOfARoleThatTheSchemeLacks", func(p *Policy) { p.CSKLifetime = 365 * day },
			[]string{"csk lifetime 365d: scheme split has no csk"}, nil},
		{"LifetimeOfAZSKBesideACSK", func(p *Policy) { p.Scheme, p.ZSKLifetime = SchemeCSK, 0 },
			[]string{"zsk lifetime 0s: scheme csk has no zsk"}, nil},
		{"LifetimeNegative", func(p *Policy) { p.KSKLifetime = -time.Minute },
			[]string{"ksk lifetime -1m is not between 1s and 3650d; unlimited is possible"}, nil},
		{"LifetimeOfTenYears", func(p *Policy) { p.KSKLifetime = 3650 * day }, nil, nil},
		{"LifetimeOverTenYears", func(p *Policy) { p.KSKLifetime = 3650*day + time.Second },
			[]string{"ksk lifetime 3650d1s is not between 1s and 3650d; unlimited is possible"}, nil},
		{"PurgeNever", func(p *Policy) { p.PurgeKeys = 0 }, nil, nil},
		{"PurgeLate", func(p *Policy) { p.PurgeKeys = 36500 * day }, nil, nil},
		{"PurgeNegative", func(p *Policy) { p.PurgeKeys = -time.Hour }, []string{"purge_keys -1h is less than 0"}, nil},
		{"UnlimitedWithoutAParent", func(p *Policy) { p.NoParent = true }, nil, nil},
		{"ParentNoneAndLocal", func(p *Policy) { p.NoParent, p.ParentLocal = true, true },
			[]string{"parent none and parent local exclude each other"}, nil},
		{"ParentLocalWithAgents", func(p *Policy) { p.ParentLocal, p.ParentAgents = true, []string{"192.0.2.1:53"} }, nil, nil},
		{"ParentNoneWithAgents", func(p *Policy) { p.NoParent, p.ParentAgents = true, []string{"192.0.2.1:53"} },
			[]string{"parent none and parent agents exclude each other"}, nil},
		{"SeveralAtOnce", func(p *Policy) { p.Validity, p.DNSKEYTTL, p.Workers = 0, 0, 2000 },
			[]string{"signatures_validity 0s is not more than 0", "dnskey_ttl 0s is not between 1s and 7d",
				"workers 2000: 1 to 1024 are possible, 0 is the default"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := Default()
			test.change(&p)
			if p.ValidityDNSKEY == Default().ValidityDNSKEY {
				p.ValidityDNSKEY = p.Validity // equal ones are told once
			}
			faults, warnings := p.Check()
			if !slices.Equal(texts(faults), test.faults) {
				t.Errorf("faults\n%q, want\n%q", texts(faults), test.faults)
			}
			if !slices.Equal(texts(warnings), test.warnings) {
				t.Errorf("warnings\n%q, want\n%q", texts(warnings), test.warnings)
			}
		})
	}
}

// TestCheck_DelaysAreOneSecondToTenYears tries each on both sides of both borders.
func TestCheck_DelaysAreOneSecondToTenYears(t *testing.T) {
	for word, field := range map[string]func(p *Policy) *time.Duration{
		"zone_propagation_delay":   func(p *Policy) *time.Duration { return &p.ZonePropagation },
		"publish_safety":           func(p *Policy) *time.Duration { return &p.PublishSafety },
		"retire_safety":            func(p *Policy) *time.Duration { return &p.RetireSafety },
		"parent ds_ttl":            func(p *Policy) *time.Duration { return &p.DSTTL },
		"parent propagation_delay": func(p *Policy) *time.Duration { return &p.ParentPropagation },
	} {
		for length, good := range map[time.Duration]bool{
			-time.Second: false, 0: false, time.Second: true, 3650 * day: true, 3650*day + time.Second: false,
		} {
			p := Default()
			p.Validity, p.ValidityDNSKEY, p.Refresh = 3650*day, 3650*day, 3649*day // not what is tried here
			p.ZSKLifetime, p.ZonePropagation = 0, time.Second
			*field(&p) = length
			if good && word == "zone_propagation_delay" && length > day {
				p.Refresh, p.DNSKEYTTL = 3650*day-time.Minute, 1
				*field(&p) = p.Refresh - time.Second
			}
			want := []string{word + " " + FormatDuration(length) + " is not between 1s and 3650d"}
			if good {
				want = nil
			}
			if faults, _ := p.Check(); !slices.Equal(texts(faults), want) {
				t.Errorf("%s %v: %q, want %q", word, length, texts(faults), want)
			}
		}
	}
}

// TestCheck_RefreshOutlivesTheDNSKEYSet tries R against TTLkey + Dprp on both
// sides of the border.
func TestCheck_RefreshOutlivesTheDNSKEYSet(t *testing.T) {
	for _, ttl := range []uint32{1, 2, 3600, 86400} {
		for _, propagation := range []time.Duration{time.Second, 5 * time.Minute, 3 * day} {
			need := time.Duration(ttl)*time.Second + propagation
			for refresh, good := range map[time.Duration]bool{need - time.Second: false, need: true} {
				p := Default()
				p.DNSKEYTTL, p.ZonePropagation, p.Refresh = ttl, propagation, refresh
				want := []string{"signatures_refresh " + FormatDuration(refresh) + " is less than dnskey_ttl " + FormatDuration(need-propagation) +
					" + zone_propagation_delay " + FormatDuration(propagation) + " = " + FormatDuration(need) + ": caches would outlive signatures"}
				if good {
					want = nil
				}
				if faults, _ := p.Check(); !slices.Equal(texts(faults), want) {
					t.Errorf("%q, want %q", texts(faults), want)
				}
			}
		}
	}
}

// TestCheckZone_RefreshOutlivesTTLsAndSecondaries tries R against the longest TTL
// + Dprp and SOA expire + Dprp on both sides of the borders.
func TestCheckZone_RefreshOutlivesTTLsAndSecondaries(t *testing.T) {
	for _, propagation := range []time.Duration{time.Second, 5 * time.Minute, day} {
		p := Default()
		p.ZonePropagation = propagation
		border := p.Refresh - propagation
		for _, test := range []struct {
			expire, ttl time.Duration
			want        int
		}{
			{border, border, 0}, {border + time.Second, border, 1}, {border, border + time.Second, 1}, {border + time.Second, border + time.Second, 2},
		} {
			got := p.CheckZone(test.expire, test.ttl, true)
			if len(got) != test.want {
				t.Errorf("expire %v, TTL %v: %v, want %d warnings", test.expire, test.ttl, got, test.want)
			}
		}
	}
}

// TestCheckZone_P20 warns with the values that would do.
func TestCheckZone_P20(t *testing.T) {
	expire := "signatures_refresh 5d is less than SOA expire 41d16h + zone_propagation_delay 5m: " +
		"a secondary that is cut off goes on with expired signatures; " +
		"signatures_refresh 41d16h5m or more, or an SOA expire of at most 4d23h55m, would do"
	ttl := "signatures_refresh 5d is less than the longest TTL 7d + zone_propagation_delay 5m: " +
		"other servers of the zone may hand out records that outlive their signatures; " +
		"signatures_refresh 7d5m or more, or TTLs of at most 4d23h55m, would do"
	tests := []struct {
		name        string
		expire, ttl time.Duration
		transferred bool
		want        []string
	}{
		{"EverythingFits", 4 * day, day, true, nil},
		{"ExactlyFits", 5*day - Propagation, 5*day - Propagation, true, nil},
		{"ExpireTooLong", 3600000 * time.Second, day, true, []string{expire}},
		{"ExpireDoesNotMatterWithoutSecondaries", 3600000 * time.Second, day, false, nil},
		{"TTLTooLong", 4 * day, 7 * day, false, []string{ttl}},
		{"Both", 3600000 * time.Second, 7 * day, true, []string{ttl, expire}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := texts(Default().CheckZone(test.expire, test.ttl, test.transferred))
			if !slices.Equal(got, test.want) {
				t.Errorf("warnings\n%q, want\n%q", got, test.want)
			}
		})
	}
}

// TestSchedule_SlotAndPeriod recomputes decision 2: w = (V-R)/240 within a second
// and an hour, P = V-R in whole slots.
func TestSchedule_SlotAndPeriod(t *testing.T) {
	tests := []struct{ validity, refresh, slot, period time.Duration }{
		{14 * day, 5 * day, 54 * time.Minute, 9 * day},
		{30 * day, 5 * day, time.Hour, 25 * day},
		{2 * time.Minute, time.Minute, time.Second, time.Minute},
		{1000 * time.Second, 0, 4 * time.Second, 1000 * time.Second},
		{1003 * time.Second, 0, 4 * time.Second, 1000 * time.Second},
		{day, 2 * day, time.Second, 0},
	}
	for _, test := range tests {
		slot, period := SlotWidth(test.validity, test.refresh), Period(test.validity, test.refresh)
		if slot != test.slot || period != test.period {
			t.Errorf("V %v R %v: slot %v period %v, want %v %v", test.validity, test.refresh, slot, period, test.slot, test.period)
		}
		if got := Spread(test.validity, test.refresh); got != test.period+test.slot {
			t.Errorf("V %v R %v: a spread of %v", test.validity, test.refresh, got)
		}
		if period%slot != 0 || period > max(test.validity-test.refresh, 0) {
			t.Errorf("V %v R %v: period %v is not whole slots of %v within V-R", test.validity, test.refresh, period, slot)
		}
	}
}

func TestPolicy_RolesAndBits(t *testing.T) {
	p := Policy{KSKBits: 1, ZSKBits: 2, CSKBits: 3}
	if got := p.Roles(); !slices.Equal(got, []Role{KSK, ZSK}) {
		t.Errorf("split has roles %v", got)
	}
	p.Scheme = SchemeCSK
	if got := p.Roles(); !slices.Equal(got, []Role{CSK}) {
		t.Errorf("csk has roles %v", got)
	}
	if p.Bits(KSK) != 1 || p.Bits(ZSK) != 2 || p.Bits(CSK) != 3 {
		t.Errorf("bits are %d %d %d", p.Bits(KSK), p.Bits(ZSK), p.Bits(CSK))
	}
	for role, signs := range map[Role][2]bool{KSK: {true, false}, ZSK: {false, true}, CSK: {true, true}, 0: {false, false}} {
		if role.SignsDNSKEY() != signs[0] || role.SignsZone() != signs[1] {
			t.Errorf("%s signs DNSKEY %v, zone %v", role, role.SignsDNSKEY(), role.SignsZone())
		}
	}
}

func TestDenial_StringIsTheCorefiles(t *testing.T) {
	tests := []struct {
		denial Denial
		want   string
	}{
		{Denial{}, "nsec"},
		{Denial{NSEC3: true}, "nsec3 salt_length 0 iterations 0"},
		{Denial{NSEC3: true, OptOut: true, SaltLength: 8, Iterations: 10}, "nsec3 optout salt_length 8 iterations 10"},
	}
	for _, test := range tests {
		if got := test.denial.String(); got != test.want {
			t.Errorf("%+v is %q, want %q", test.denial, got, test.want)
		}
	}
}
