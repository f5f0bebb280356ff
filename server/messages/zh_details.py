"""Details of problems in Chinese, by the English words with ``{}`` for each value; a test holds that the
literals of govid's own code are all here, and what the schema library says is added.
"""

from __future__ import annotations

from collections.abc import Mapping

PLACE = (" - at `$", "，位置：`$")
"""How the schema library says where, and how it is said here."""

DETAILS: Mapping[str, str] = {
    # The photo
    "known formats are {}": "支持的格式：{}",
    "the file is empty": "文件为空",
    "{} bytes, at most {}": "{} 字节，上限为 {}",
    "at most {} pixels": "上限为 {} 像素",
    "{} x {} pixels, at most {}": "{}×{} 像素，上限为 {}",
    "{} x {} pixels, at least {} x {}": "{}×{} 像素，至少应为 {}×{}",
    "more than {} chunks": "数据块超过 {} 个",
    "more than {} scans": "扫描段超过 {} 个",
    "{} scans of {} pixels": "有 {} 个扫描段，每段 {} 像素",
    "more than {} bytes between segments": "数据段之间超过 {} 字节",
    "more than {} segments": "数据段超过 {} 个",
    "nothing but padding": "只有填充数据",
    "{} faces of comparable size": "有 {} 张大小相近的人脸",
    "the face is {} pixels wide, at least {}": "人脸宽 {} 像素，至少应为 {}",
    "the landmarks fall together": "人脸关键点重叠",
    "{} is {} of 100 (raw {}), at least {}": "{} 为 {}（满分 100，原始值 {}），至少应为 {}",
    "{} is {} of 100, {} asks for {}": "{} 为 {}（满分 100），用途 {} 要求 {}",
    # Templates
    "{} bytes, expected {}": "{} 字节，应为 {}",
    "active is {}": "当前模型为 {}",
    "probe is of {}, reference of {}": "待比对模板来自 {}，参考模板来自 {}",
    "the use case compares templates of {}": "该用途比对 {} 的模板",
    "{} has a weight of {}, not {}": "{} 的权重为 {}，应为 {}",
    "{}: its constant is no more than {} of a part": "{}：其常数项不超过该部分的 {}",
    # The body
    "no audit record has {} as {}": "没有任何审计记录以 {} 为 {}",
    "give exactly one of photo and template": "photo 与 template 必须且只能提供其中一个",
    "a field comes twice": "有字段重复出现",
    "it has more fields and strings than any request": "字段和字符串的数量超过任何请求的需要",
    "the part {} comes twice": "部分 {} 重复出现",
    "a text field is not UTF-8": "文本字段不是 UTF-8 编码",
    "a text holds a character that cannot be stored (NUL)": "文本含有无法存储的字符（NUL）",
    "not well-formed JSON": "JSON 格式不正确",
    "multipart without a boundary": "multipart 缺少 boundary",
    "not well-formed multipart/form-data": "multipart/form-data 格式不正确",
    "not within {} s": "未能在 {} 秒内送达",
    "send the body without a Content-Encoding": "请发送不带 Content-Encoding 的请求体",
    "send {}": "请发送 {}",
    "not a well-formed form": "表单格式不正确",
    # Parameters
    "a parameter comes twice": "有参数重复出现",
    "the query has {} bytes, at most {}": "查询字符串长 {} 字节，上限为 {}",
    "the query is not well-formed": "查询字符串格式不正确",
    "unknown: {}": "未知参数：{}",
    "unknown: {}; known are {}": "未知参数：{}；可用的有：{}",
    "parameters go with {}; here the body has the fields": "查询参数只用于 {}；此处字段应放在请求体中",
    "the header {} comes twice": "请求头 {} 重复出现",
    "given twice": "重复出现",
    "{}: a number": "{}：应为数字",
    "{}: nothing was written": "{}：未填写任何内容",
    "answer: nothing was written": "answer：未填写任何内容",
    "{}: {} characters, at most {}": "{}：共 {} 个字符，上限为 {}",
    "keep_photo_days is {}, allowed are 0 to {}": "keep_photo_days 为 {}，允许 0 至 {}",
    "limit is {}, allowed are 1 to {}": "limit 为 {}，允许 1 至 {}",
    "max_candidates is {}, allowed are 1 to {}": "max_candidates 为 {}，允许 1 至 {}",
    "{} subjects, at most {}": "{} 个主体，上限为 {}",
    "{} groups, at most {}": "{} 个组，上限为 {}",
    "{} references, at most {}": "{} 张参考照片，上限为 {}",
    "{} characters of text, at most {}": "文字共 {} 个字符，上限为 {}",
    "the text has a character that cannot be kept: NUL, or one that is no UTF-8": (
        "文字含有无法保存的字符：NUL 或非 UTF-8 字符"
    ),
    "{} characters of earlier answers, at most {}": "此前的答复共 {} 个字符，上限为 {}",
    "{} characters, allowed are 1 to {}": "{} 个字符，允许 1 至 {}",
    "holds a character that cannot be seen": "含有不可见的字符",
    "holds a character that is not printable, or a space at an end": "含有不可打印的字符，或首尾有空格",
    "is not in Unicode normalisation form C": "不是 Unicode 规范化形式 C（NFC）",
    "looks like a path": "形似路径",
    # Use cases, callers, receipts
    "{} demands {}": "用途 {} 要求 {}",
    "{} needs {}": "用途 {} 需要 {}",
    "known use cases: {}": "可用的用途：{}",
    "allowed are: {}": "允许的有：{}",
    "one of: {}": "需要其中之一：{}",
    "it is a statement of another kind": "这是另一类声明",
    "its key was retired before": "其签名密钥此前已停用",
    "the receipt is of another decision": "该回执属于另一个决定",
    # Cases and jobs
    "adjudicator: 1 to {} printable characters, no space at an end": "adjudicator：1 至 {} 个可打印字符，首尾无空格",  # noqa: E501
    "adjudicator: it is the caller who decides, leave the field out": "adjudicator：裁决人即调用方，请勿填写",
    "the note has {} characters, allowed are {}": "备注共 {} 个字符，上限为 {}",
    "subjects: these two are no pair of the case": "subjects：这两个主体不是该案件中的一对",
    "verdict: choose one": "verdict：请选择一项",
    "the two subjects are settled": "这两个主体已有裁决",
    "give since_job or since_reference, not both": "since_job 与 since_reference 只能提供一个",
    "job {} did not compare everything with the active model": "任务 {} 未用当前模型完成全部比对",
    "job {} is running": "任务 {} 正在运行",
    "the job compares templates of {}": "该任务比对 {} 的模板",
    "about {} pairs of strangers in {} comparisons": "{1} 次比对中约有 {0} 对陌生人",
    "{} is no id of a reference; 0 stands before the first": "{} 不是参考照片的编号；0 表示第一张之前",
    # The schema library's words
    "Object missing required field `{}`": "缺少必填字段 `{}`",
    "Object contains unknown field `{}`": "含有未知字段 `{}`",
    "Object contains unknown field `{}`; known are {}": "含有未知字段 `{}`；可用的有：{}",
    "Expected `{}`, got `{}`": "应为 `{}`，实际为 `{}`",
    "Expected `{}` >= {}": "应为 `{}`，且不小于 {}",
    "Expected `{}` <= {}": "应为 `{}`，且不大于 {}",
    "Expected `{}` of length >= {}": "应为 `{}`，长度至少 {}",
    "Expected `{}` of length <= {}": "应为 `{}`，长度至多 {}",
    "Invalid base64 encoded string": "base64 编码无效",
    "Invalid enum value {}": "取值 {} 无效",
    "Invalid enum value {}; allowed are {}": "取值 {} 无效；允许的有：{}",
}
