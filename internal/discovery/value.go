package discovery

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxDepth bounds how deep bodies are followed.
const maxDepth = 100

// parameter checks a path or query parameter, which always comes as text.
func (x *exchange) parameter(s *schema, at, v string) {
	if s == nil {
		x.report(Request, at, "is not described")
		return
	}
	switch s.Type {
	case "integer":
		x.number(Request, at, s, v)
	case "boolean":
		if v != "true" && v != "false" {
			x.report(Request, at, "%q is not a boolean", v)
		}
	case "number":
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			x.report(Request, at, "%q is not a number", v)
		}
	case "string":
		x.text(Request, at, s, v)
	}
}

// value checks a decoded JSON value.
func (x *exchange) value(side Side, at string, s *schema, v any) {
	if strings.Count(at, ".")+strings.Count(at, "[") > maxDepth {
		x.report(side, at, "is nested too deep")
		return
	}
	if s.Ref != "" {
		s = x.d.schemas[s.Ref]
	}
	switch s.Type {
	case "object":
		o, ok := v.(map[string]any)
		if !ok {
			x.report(side, at, "is %s, not an object", kind(v))
			return
		}
		for name, member := range o {
			switch p := s.Properties[name]; {
			case p != nil:
				x.value(side, at+"."+name, p, member)
			case s.AdditionalProperties != nil:
				x.value(side, at+"."+name, s.AdditionalProperties, member)
			default:
				x.report(side, at+"."+name, "is not described")
			}
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			x.report(side, at, "is %s, not an array", kind(v))
			return
		}
		for i, item := range list {
			x.value(side, fmt.Sprintf("%s[%d]", at, i), s.Items, item)
		}
	case "string":
		text, ok := v.(string)
		if !ok {
			x.report(side, at, "is %s, not a string", kind(v))
			return
		}
		x.text(side, at, s, text)
	case "integer":
		n, ok := v.(json.Number)
		if !ok {
			x.report(side, at, "is %s, not an integer", kind(v))
			return
		}
		x.number(side, at, s, n.String())
	case "number":
		if _, ok := v.(json.Number); !ok {
			x.report(side, at, "is %s, not a number", kind(v))
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			x.report(side, at, "is %s, not a boolean", kind(v))
		}
	}
}

// text checks a string: its format, its enum, its pattern.
func (x *exchange) text(side Side, at string, s *schema, v string) {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		x.report(side, at, "%q is none of %s", v, strings.Join(s.Enum, ", "))
	}
	if s.pattern != nil && !s.pattern.MatchString(v) {
		x.report(side, at, "does not match %s", s.Pattern)
	}
	switch s.Format {
	case "int64", "uint64":
		x.number(side, at, s, v)
	case "byte":
		if _, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(v, "=")); err != nil {
			x.report(side, at, "is not base64url")
		}
	case "date-time", "google-datetime":
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
			x.report(side, at, "is not an RFC 3339 time")
		}
	}
}

// number checks an integer that is written in decimal.
func (x *exchange) number(side Side, at string, s *schema, v string) {
	var err error
	var n int64
	switch s.Format {
	case "uint32":
		var u uint64
		u, err = strconv.ParseUint(v, 10, 32)
		n = int64(u)
	case "uint64":
		_, err = strconv.ParseUint(v, 10, 64)
	case "int32":
		n, err = strconv.ParseInt(v, 10, 32)
	default:
		n, err = strconv.ParseInt(v, 10, 64)
	}
	switch {
	case err != nil:
		x.report(side, at, "%q is not %s", v, strings.TrimSpace("an integer "+s.Format))
	case s.limit != nil && n > *s.limit:
		x.report(side, at, "%d is above %d", n, *s.limit)
	}
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	default:
		return "a boolean"
	}
}
