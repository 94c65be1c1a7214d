package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// set reads raw (a string, a []string or a map[string][]string) into the
// field's place. Errors say what would have been right and never quote a
// secret.
func (f Field) set(c *Config, raw any) error {
	if m, ok := f.at(c).(*map[string][]string); ok {
		v, ok := raw.(map[string][]string)
		if !ok {
			return fmt.Errorf("must be a mapping from names to lists")
		}
		*m = v
		return nil
	}
	if list, ok := raw.([]string); ok {
		return f.setList(c, list)
	}
	text, ok := raw.(string)
	if !ok {
		return fmt.Errorf("must be a single value")
	}
	switch f.at(c).(type) {
	case *[]string, *[]netip.Prefix:
		return f.setList(c, splitList(text))
	}
	return f.setText(c, text)
}

func (f Field) setList(c *Config, list []string) error {
	switch p := f.at(c).(type) {
	case *[]string:
		*p = list
	case *[]netip.Prefix:
		nets := make([]netip.Prefix, 0, len(list))
		for _, item := range list {
			n, err := parseNetwork(item)
			if err != nil {
				return err
			}
			nets = append(nets, n)
		}
		*p = nets
	default:
		return fmt.Errorf("must be a single value, not a list")
	}
	return nil
}

func (f Field) setText(c *Config, text string) error {
	var err error
	switch p := f.at(c).(type) {
	case *string:
		unset := text == "" && f.Default == ""
		if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, text) && !unset {
			return fmt.Errorf("%q is not one of %s", text, strings.Join(f.OneOf, ", "))
		}
		*p = text
	case *int:
		if *p, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
	case *bool:
		// strconv.ParseBool also takes "1" and "T"; a security switch should read as what it is.
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*p = text == "true"
	case *time.Duration:
		if *p, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%q is not a duration; write 30s, 5m or 720h", text)
		}
	case *int64:
		*p, err = parseSize(text)
	case *Rate:
		*p, err = parseRate(text)
	}
	return err
}

func splitList(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is not a network; write 10.0.0.0/8 or a single address", text)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits behind its prefix; write %s", text, p.Masked())
	}
	return p, nil
}

func parseSize(text string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"", 1}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > 1<<40 {
			break
		}
		return n * u.factor, nil
	}
	return 0, fmt.Errorf("%q is not a size; write 65536 or 64KiB", text)
}

type rateUnit struct {
	name string
	per  time.Duration
}

func rateUnits() []rateUnit {
	return []rateUnit{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}
}

func parseRate(text string) (Rate, error) {
	count, unit, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	for _, u := range rateUnits() {
		if err == nil && n > 0 && u.name == unit {
			return Rate{Count: n, Per: u.per}, nil
		}
	}
	return Rate{}, fmt.Errorf("%q is not a rate; write 50/s, 100/m or 1000/h", text)
}
