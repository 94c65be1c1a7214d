package registry

import (
	"fmt"
	"sync"
	"weak"

	"github.com/tokenry/tokenry/condition"
)

// programs compiles conditions and shares one program among all that say the
// same: a program takes a hundred times the memory of an agent. A program that
// nothing uses any more is forgotten.
type programs struct {
	mu     sync.Mutex
	shared map[string]weak.Pointer[condition.Program]
	sweep  int // forget dead entries when the map has grown to this
	report func(error)
}

// compile returns the program of source; nil for an empty source.
func (p *programs) compile(source string) (*condition.Program, error) {
	if source == "" {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if program := p.shared[source].Value(); program != nil {
		return program, nil
	}
	program, err := condition.Compile(source)
	if err != nil {
		err = fmt.Errorf("a stored condition does not compile, so what it stands on admits nothing: %w", err)
		if p.report != nil {
			p.report(err)
		}
		return nil, err
	}
	if len(p.shared) >= p.sweep {
		for s, w := range p.shared {
			if w.Value() == nil {
				delete(p.shared, s)
			}
		}
		p.sweep = 2*len(p.shared) + 64
	}
	p.shared[source] = weak.Make(program)
	return program, nil
}
