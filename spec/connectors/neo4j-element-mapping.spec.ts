import { expect } from 'chai';
import { parseElementMappings } from '../../server/connectors/neo4j/element-mapping.js';

describe('Mappings of elements', () => {
  it('name a label or a type, and a topic', () => {
    const [person, knows] = parseElementMappings('(:Person)=graph:person/{id},\n[:KNOWS]=graph:knows');
    expect([person!.kind, person!.name, person!.fields]).to.deep.equal(['node', 'Person', ['id']]);
    expect(person!.topicOf(new Map([['id', '7']]))).to.equal('graph:person/7');
    expect(person!.topicOf(new Map())).to.equal(undefined);
    expect([knows!.kind, knows!.topicOf(new Map())]).to.deep.equal(['relationship', 'graph:knows']);
  });

  it('that are invalid are named', () => {
    for (const text of [
      'Person=graph:a',
      '(:Person)',
      '(:Person)=graph',
      '(:A B)=graph:a',
      '[:A]=graph:a b',
    ]) {
      expect(() => parseElementMappings(text), text).to.throw(`"${text}"`);
    }
    expect(() => parseElementMappings('(:A)=graph:a,(:A)=graph:b')).to.throw('"(:A)" is named twice');
  });
});
