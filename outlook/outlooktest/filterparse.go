package outlooktest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of a filter.
const (
	maxFilter      = 8 << 10
	maxFilterDepth = 50
)

// parser reads a $filter expression (OData 4.01, the part that the service
// supports for messages).
type parser struct {
	tokens []token
	at     int
	depth  int
}

type token struct {
	kind byte // 'w' word, 's' string, '(' ')' ',' ':'
	text string
}

func parseFilter(s string) (expr, error) {
	if len(s) > maxFilter {
		return nil, errors.New("it is too long")
	}
	tokens, err := tokenize(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.at < len(p.tokens) {
		return nil, fmt.Errorf("unexpected '%s'", p.peek().text)
	}
	return e, nil
}

func tokenize(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t':
			i++
		case strings.IndexByte("(),", c) >= 0:
			out = append(out, token{c, string(c)})
			i++
		case c == '\'':
			var text strings.Builder
			i++
			for {
				end := strings.IndexByte(s[i:], '\'')
				if end < 0 {
					return nil, errors.New("a string is not closed")
				}
				text.WriteString(s[i : i+end])
				i += end + 1
				if i >= len(s) || s[i] != '\'' {
					break
				}
				text.WriteByte('\'')
				i++
			}
			out = append(out, token{'s', text.String()})
		default:
			end := i
			for end < len(s) && strings.IndexByte(" \t(),'", s[end]) < 0 {
				end++
			}
			out = append(out, token{'w', s[i:end]})
			i = end
		}
	}
	return out, nil
}

func (p *parser) peek() token {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return token{0, "the end"}
}

func (p *parser) take() token {
	t := p.peek()
	p.at++
	return t
}

// word takes the word if it comes next.
func (p *parser) word(w string) bool {
	if t := p.peek(); t.kind == 'w' && strings.EqualFold(t.text, w) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(kind byte) (token, error) {
	t := p.take()
	if t.kind != kind {
		return t, fmt.Errorf("unexpected '%s'", t.text)
	}
	return t, nil
}

func (p *parser) or() (expr, error) {
	left, err := p.and()
	for err == nil && p.word("or") {
		var right expr
		right, err = p.and()
		left = orExpr{left, right}
	}
	return left, err
}

func (p *parser) and() (expr, error) {
	left, err := p.unary()
	for err == nil && p.word("and") {
		var right expr
		right, err = p.unary()
		left = andExpr{left, right}
	}
	return left, err
}

func (p *parser) unary() (expr, error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, errors.New("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	if p.word("not") {
		inner, err := p.unary()
		return notExpr{inner}, err
	}
	if p.peek().kind == '(' {
		p.at++
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		_, err = p.expect(')')
		return inner, err
	}
	name, err := p.expect('w')
	if err != nil {
		return nil, err
	}
	if p.peek().kind != '(' {
		return p.comparison(name.text)
	}
	p.at++
	switch fn := strings.ToLower(name.text); fn {
	case "startswith", "contains":
		return p.function(fn)
	case "singlevalueextendedproperties/any":
		return p.anyProperty()
	}
	return nil, fmt.Errorf("'%s' is not supported", name.text)
}

// function reads "property, 'text')".
func (p *parser) function(fn string) (expr, error) {
	name, err := p.expect('w')
	if err != nil {
		return nil, err
	}
	prop := findKey(textProperties, name.text)
	if prop == "" || caseSensitive[prop] {
		return nil, fmt.Errorf("'%s' is not supported in %s", name.text, fn)
	}
	if _, err := p.expect(','); err != nil {
		return nil, err
	}
	text, err := p.expect('s')
	if err != nil {
		return nil, err
	}
	_, err = p.expect(')')
	return compare{property: prop, op: fn, text: text.text}, err
}

func findKey[V any](m map[string]V, name string) string {
	for k := range m {
		if strings.EqualFold(k, name) {
			return k
		}
	}
	return ""
}

// comparison reads "op literal" behind a property.
func (p *parser) comparison(name string) (expr, error) {
	op, err := p.expect('w')
	if err != nil {
		return nil, err
	}
	e := compare{op: strings.ToLower(op.text)}
	ordered := strings.Contains(" gt ge lt le ", " "+e.op+" ")
	if e.op != "eq" && e.op != "ne" && !ordered {
		return nil, fmt.Errorf("'%s' is not an operator", op.text)
	}
	value := p.take()
	if e.property = findKey(timeProperties, name); e.property != "" {
		if e.at, err = time.Parse(time.RFC3339, value.text); err != nil || value.kind != 'w' {
			return nil, fmt.Errorf("'%s' is not a point in time", value.text)
		}
		return e, nil
	}
	if ordered {
		return nil, fmt.Errorf("'%s' is not supported for '%s'", op.text, name)
	}
	if e.property = findKey(flagProperties, name); e.property != "" {
		switch {
		case value.kind == 'w' && value.text == "true":
			e.flag = true
		case value.kind == 'w' && value.text == "false":
		default:
			return nil, fmt.Errorf("'%s' is not a Boolean", value.text)
		}
		return e, nil
	}
	if e.property = findKey(textProperties, name); e.property == "" {
		return nil, fmt.Errorf("'%s' is not supported", name)
	}
	if value.kind != 's' {
		return nil, fmt.Errorf("'%s' is not a string", value.text)
	}
	e.text = value.text
	return e, nil
}

// anyProperty reads "ep: ep/id eq '…' and ep/value eq '…')".
func (p *parser) anyProperty() (expr, error) {
	variable, err := p.expect('w')
	if err != nil {
		return nil, err
	}
	name, ok := strings.CutSuffix(variable.text, ":")
	if !ok && p.word(":") {
		ok = true
	}
	if !ok {
		// "ep:ep/id" without a space
		var rest string
		if name, rest, ok = strings.Cut(variable.text, ":"); !ok {
			return nil, errors.New("a lambda variable is missing")
		}
		p.at--
		p.tokens[p.at].text = rest
	}
	var e anyProperty
	for {
		if err := p.lambdaTerm(name, &e); err != nil {
			return nil, err
		}
		if !p.word("and") {
			break
		}
	}
	if e.key == "" {
		return nil, errors.New("an extended property has to be named by its id")
	}
	_, err = p.expect(')')
	return e, err
}

func (p *parser) lambdaTerm(variable string, e *anyProperty) error {
	t, err := p.expect('w')
	if err != nil {
		return err
	}
	op := "eq"
	if fn := strings.ToLower(t.text); (fn == "contains" || fn == "startswith") && p.peek().kind == '(' {
		p.at++
		op = fn
		if t, err = p.expect('w'); err != nil {
			return err
		}
		if _, err = p.expect(','); err != nil {
			return err
		}
	} else if p.word("ne") {
		op = "ne"
	} else if !p.word("eq") {
		return fmt.Errorf("unexpected '%s'", p.peek().text)
	}
	text, err := p.expect('s')
	if err != nil {
		return err
	}
	if op == "contains" || op == "startswith" {
		if _, err := p.expect(')'); err != nil {
			return err
		}
	}
	switch strings.ToLower(t.text) {
	case strings.ToLower(variable) + "/id":
		if op != "eq" {
			return errors.New("an id can only be compared with eq")
		}
		e.key = propertyKey(text.text)
	case strings.ToLower(variable) + "/value":
		e.op, e.val = op, text.text
	default:
		return fmt.Errorf("'%s' is not supported", t.text)
	}
	return nil
}
