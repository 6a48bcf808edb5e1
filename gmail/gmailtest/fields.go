package gmailtest

import (
	"encoding/json"
	"errors"
	"strings"
)

// mask is a parsed fields parameter: the members to keep, each with the mask of
// what is in it. A nil mask keeps everything.
type mask map[string]mask

// applyMask reduces an answer to the members that fields names.
func applyMask(answer any, fields string) (any, *apiError) {
	p := maskParser{rest: fields}
	m, err := p.list()
	if err != nil || p.rest != "" {
		return nil, badArgument("Invalid field selection %s", fields)
	}
	b, jerr := json.Marshal(answer)
	if jerr != nil {
		return nil, badRequest("Invalid field selection %s", fields)
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil, badRequest("Invalid field selection %s", fields)
	}
	return m.apply(v), nil
}

func (m mask) apply(v any) any {
	if m == nil {
		return v
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = m.apply(v[i])
		}
		return v
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			if inner, ok := m[name]; ok {
				out[name] = inner.apply(member)
			} else if inner, ok := m["*"]; ok {
				out[name] = inner.apply(member)
			}
		}
		return out
	default:
		return v
	}
}

// maskParser reads "a,b/c,d(e,f/g),*".
type maskParser struct {
	rest  string
	depth int
}

var errMask = errors.New("malformed fields")

func (p *maskParser) list() (mask, error) {
	if p.depth++; p.depth > 20 {
		return nil, errMask
	}
	defer func() { p.depth-- }()
	m := mask{}
	for {
		if err := p.item(m); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(p.rest, ",") {
			return m, nil
		}
		p.rest = p.rest[1:]
	}
}

func (p *maskParser) item(into mask) error {
	end := strings.IndexAny(p.rest, ",/()")
	if end < 0 {
		end = len(p.rest)
	}
	name := strings.TrimSpace(p.rest[:end])
	p.rest = p.rest[end:]
	if name == "" {
		return errMask
	}
	var inner mask
	switch {
	case strings.HasPrefix(p.rest, "/"):
		p.rest = p.rest[1:]
		if p.depth++; p.depth > 20 {
			return errMask
		}
		defer func() { p.depth-- }()
		inner = mask{}
		if err := p.item(inner); err != nil {
			return err
		}
	case strings.HasPrefix(p.rest, "("):
		p.rest = p.rest[1:]
		var err error
		if inner, err = p.list(); err != nil {
			return err
		}
		if !strings.HasPrefix(p.rest, ")") {
			return errMask
		}
		p.rest = p.rest[1:]
	}
	if old, ok := into[name]; ok { // "a/b,a/c"
		if old == nil || inner == nil {
			inner = nil
		} else {
			for k, v := range old {
				inner[k] = v
			}
		}
	}
	into[name] = inner
	return nil
}
