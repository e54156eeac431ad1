import { describe, expect, test } from '@jest/globals';
import { LruMap } from './lru.ts';

describe('LruMap', () => {
  test('forgets the entry that was used longest ago', () => {
    const evicted: string[] = [];
    const map = new LruMap<string, number>(2, (_, key) => evicted.push(key));
    map.set('a', 1);
    map.set('b', 2);
    map.get('a');
    map.set('c', 3);
    expect(evicted).toEqual(['b']);
    expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([1, undefined, 3]);
  });

  test('does not evict on delete or when a key is set again', () => {
    const evicted: string[] = [];
    const map = new LruMap<string, number>(1, (_, key) => evicted.push(key));
    map.set('a', 1);
    map.set('a', 2);
    map.delete('a');
    expect(evicted).toEqual([]);
    expect(map.size).toBe(0);
  });
});
