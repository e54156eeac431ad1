import { expect, test } from '@jest/globals';
import { gatewaysV4, gatewaysV6 } from './gateways.ts';

const routeV4 = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0
eth0	0000A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
wg0	0000000A	0100000A	0003	0	0	0	000000FF	0	0	0
`;

const zero = '0'.repeat(32);
const routeV6 = `${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003 eth0
20010db8000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000000 00000000 00000001 eth0
${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200 lo
`;

test('only the gateway of a default route is taken', () => {
  expect(gatewaysV4(routeV4).map(String)).toEqual(['192.168.1.1']);
  expect(gatewaysV6(routeV6).map((address) => address.toNormalizedString())).toEqual(['fe80:0:0:0:0:0:0:1']);
});

test('a table that is empty or unreadable holds no gateway', () => {
  expect(gatewaysV4('')).toEqual([]);
  expect(gatewaysV6('nonsense\n\n')).toEqual([]);
});
